// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sums over all ways of a graph without a way round (sim/search/counting/dag.py).
 *
 * The edges of node n are first[n] to first[n + 1], each to a target. Once nodes are in topological
 * order every edge leads to a higher number, so one pass from the last node to the first has the
 * sum of each node's successors when it comes to the node.
 */
#include <stdint.h>
#include <string.h>

/*
 * Put nodes in order: a node follows once all edges into it have been seen. Gives how many follow;
 * fewer than there are, if some edges lead round. `missing` is room for one number a node.
 */
int64_t put_in_order(const int64_t *first, const uint32_t *target, int64_t nodes, uint32_t *order,
		     uint32_t *missing)
{
	int64_t known = 0;

	memset(missing, 0, nodes * sizeof(*missing));
	for (int64_t edge = 0; edge < first[nodes]; edge++)
		missing[target[edge]]++;
	for (int64_t node = 0; node < nodes; node++)
		if (!missing[node])
			order[known++] = node;
	for (int64_t at = 0; at < known; at++)
		for (int64_t edge = first[order[at]]; edge < first[order[at] + 1]; edge++)
			if (!--missing[target[edge]])
				order[known++] = target[edge];
	return known;
}

/* Mark the nodes from which some way leads to one that is marked, by edges that `keep` keeps. */
void lead(const int64_t *first, const uint32_t *target, int64_t nodes, const uint8_t *keep,
	  uint8_t *marked)
{
	for (int64_t node = nodes - 1; node >= 0; node--)
		for (int64_t edge = first[node]; edge < first[node + 1] && !marked[node]; edge++)
			marked[node] = keep[edge] && marked[target[edge]];
}

/*
 * Add to each node's value those of its successors, by edges that `keep` keeps (NULL: all), modulo
 * a number (0: 2**64). A modulus leaves room for the sum over the edges of a node.
 */
void add_up(const int64_t *first, const uint32_t *target, int64_t nodes, const uint8_t *keep,
	    uint64_t modulus, uint64_t *value)
{
	for (int64_t node = nodes - 1; node >= 0; node--) {
		uint64_t sum = value[node];

		for (int64_t edge = first[node]; edge < first[node + 1]; edge++)
			if (!keep || keep[edge])
				sum += value[target[edge]];
		value[node] = modulus && sum >= modulus ? sum % modulus : sum;
	}
}

/* The same in floating point. */
void add_up_roughly(const int64_t *first, const uint32_t *target, int64_t nodes,
		    const uint8_t *keep, double *value)
{
	for (int64_t node = nodes - 1; node >= 0; node--)
		for (int64_t edge = first[node]; edge < first[node + 1]; edge++)
			if (!keep || keep[edge])
				value[node] += value[target[edge]];
}

/* The same modulo a prime below 2**31, where an edge multiplies by its weight. */
void weigh(const int64_t *first, const uint32_t *target, int64_t nodes, const uint64_t *weight,
	   uint64_t prime, uint64_t *value)
{
	for (int64_t node = nodes - 1; node >= 0; node--) {
		uint64_t sum = value[node];

		for (int64_t edge = first[node]; edge < first[node + 1]; edge++) {
			sum += value[target[edge]] * weight[edge];
			if (sum >> 63)		/* a product is below 2**62 */
				sum %= prime;
		}
		value[node] = sum % prime;
	}
}

/* Add to each node's value the largest of its successors'. */
void add_highest(const int64_t *first, const uint32_t *target, int64_t nodes, int64_t *value)
{
	for (int64_t node = nodes - 1; node >= 0; node--) {
		int64_t highest = 0;

		for (int64_t edge = first[node]; edge < first[node + 1]; edge++)
			if (value[target[edge]] > highest)
				highest = value[target[edge]];
		value[node] += highest;
	}
}
