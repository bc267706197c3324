// SPDX-License-Identifier: GPL-2.0-only
/*
 * The loops of the array search: they sort the states of a chunk by footprint, take their steps,
 * and look up the states that these lead to.
 *
 * sim/engine/states/loops.py compiles this file with the C compiler of the machine, the first time
 * that it is needed, and keeps the outcome by the text of this file. The structs below are filled
 * in there and in its neighbours, which say where each number comes from.
 *
 * A state is a row of 64-bit words. A set of states numbers them in the order in which they came,
 * and an index finds a state's number: an open-addressing hash table with linear probing. The upper
 * half of a state's hash says where to look. A slot has 32 bits; those that the index's largest
 * number leaves free are a tag: bits of the lower half. Slot and tag only say which state to compare
 * with: a state is known if all its words are equal to those of the one found, so no state is ever
 * taken for another one.
 *
 * Most of the time goes into waiting for memory, since a set is far larger than any cache. Where
 * states are looked up, a slot is fetched FAR_AHEAD states before it is needed, and the state that
 * stands there half as early.
 *
 * Functions that end in _n are compiled once for each small number of words.
 */
#include <stdint.h>
#include <string.h>

#define inlined static inline __attribute__((always_inline))

enum { ASK = -1, NOTHING = 0 };		/* answers that are no number of a struct answer */
enum { AHEAD = 32, FAR_AHEAD = 2 * AHEAD, FILL = 256 };

static const uint32_t EMPTY = UINT32_MAX;	/* what stands in an empty slot */

/* Where a field of a footprint lies in a state, and where it begins in a question. */
struct field {
	int32_t word;
	uint8_t shift, place;
	uint64_t mask;
};

/* Where a field of a state is, and where it comes to be. */
struct move {
	int32_t from_word, to_word;
	uint8_t from_shift, to_shift;
	uint64_t mask;
};

/* The outcomes of an answer: rows of `deltas`. */
struct answer {
	int32_t first, outcomes;
};

/* States by number. `index` has `parts` tables of `slots` slots each. */
struct set {
	uint64_t *states;
	uint32_t *before;		/* the state that each was first reached from */
	uint32_t **index;
	int64_t count, slots;
	int32_t words, parts;
	uint32_t number;		/* the bits of a slot that are a number; the others are a tag */
};

/* What one task may do. */
struct task {
	uint64_t mask;			/* of the field with its local state */
	int32_t word, shift;
	int32_t is_daemon, footprints;
	const int16_t *footprint;	/* of each local state; 0: it has finished */
	const int64_t *base;		/* where the questions of each local state begin */
	const int32_t *narrow;		/* the answer to each question */
	const int32_t *starts;		/* where the fields of each footprint begin */
	const struct field *fields;
	const uint8_t *is_wide;		/* per footprint */
	const uint64_t *wide_mask;	/* per footprint, the bits that it takes if it is wide */
	const struct set *wide;		/* the bits of wide footprints, by number */
	const int32_t *wide_answer;	/* the answer to each of those */
	const struct answer *answers;
	const uint64_t *deltas;		/* per row, what to add to a state */
	const uint8_t *shows;		/* per row, whether the step shows a finding */
};

/* Some states that are expanded together, and what is known of each. */
struct chunk {
	const uint64_t *states;
	const uint8_t *is_running;	/* NULL: all of them */
	uint8_t *is_alone;		/* nobody can step */
	uint8_t *is_done;		/* whoever is to finish has */
	int64_t low, size;		/* the number of the first state */
	int32_t words;
};

/*
 * A chunk's states as one task sees them: `order` has them by footprint, those of footprint n end
 * at `ends[n]`; `answer` is in that order. `asks[n]` says that somebody asks something new there.
 */
struct view {
	int32_t *local, *order, *ends, *answer;
	uint8_t *asks;
};

/* States that steps lead to: the state of the chunk that each leaves, the hash, and the row. */
struct candidates {
	uint64_t *states, *hash;
	uint32_t *before;
	int32_t *row;			/* NULL: nobody asks for it */
	int64_t count;
};

/* The first step of a footprint and an outcome that shows a row. */
struct flag {
	int32_t footprint, outcome, row, state;
};

/* A state that has more outcomes than were taken. */
struct rest {
	int32_t state, row, outcomes;
};

#define FOR_EACH_NUMBER_OF_WORDS(words, call)	\
	switch (words) {			\
	case 1: return call(1);			\
	case 2: return call(2);			\
	case 3: return call(3);			\
	default: return call(words);		\
	}

/* ---- one chunk, task by task ---- */

void sort_by_footprint(const struct task *task, const struct chunk *chunk, const struct view *view,
		       int16_t *footprint)
{
	const uint64_t *word = chunk->states + task->word;
	int32_t before = 0;

	memset(view->ends, 0, task->footprints * sizeof(*view->ends));
	for (int64_t i = 0; i < chunk->size; i++) {
		int32_t local = word[i * chunk->words] >> task->shift & task->mask;
		int16_t number = task->footprint[local];

		chunk->is_done[i] &= task->is_daemon || !number;
		if (chunk->is_running && !chunk->is_running[i]) {
			chunk->is_done[i] = 1;
			number = 0;
		}
		view->local[i] = local;
		footprint[i] = number;
		view->ends[number]++;
	}
	for (int n = 0; n < task->footprints; n++) {
		int32_t many = view->ends[n];

		view->ends[n] = before;
		before += many;
	}
	/* ends[n] is where the next state of footprint n goes: after the last one, it is the end */
	for (int64_t i = 0; i < chunk->size; i++)
		view->order[view->ends[footprint[i]]++] = i;
}

inlined uint64_t hash_of(const uint64_t *state, int words)
{
	static const uint64_t odd[] = { 0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F,
					0x165667B19E3779F9, 0xFF51AFD7ED558CCD };
	uint64_t mixed = state[0] * odd[0];

	for (int n = 1; n < words; n++) {
		mixed ^= mixed >> 29;
		mixed += state[n];
		mixed *= odd[n % 4];
	}
	mixed ^= mixed >> 32;
	return mixed * odd[3];
}

inlined int is_same(const uint64_t *one, const uint64_t *other, int words)
{
	for (int n = 0; n < words; n++)
		if (one[n] != other[n])
			return 0;
	return 1;
}

/* The part of the index that a hash belongs to: by other bits than the slot. */
inlined int part_of(uint64_t hash, int parts)
{
	return parts == 1 ? 0 : (hash >> 8 & 0xFFFF) * parts >> 16;
}

inlined int64_t first_slot(uint64_t hash, int64_t slots)
{
	return ((hash >> 32) * (uint64_t)slots) >> 32;
}

inlined int64_t next_slot(int64_t slot, int64_t slots)
{
	return slot + 1 < slots ? slot + 1 : 0;
}

inlined int has_tag(const struct set *set, uint32_t slot, uint64_t hash)
{
	return !((slot ^ (uint32_t)hash) & ~set->number);
}

inlined uint32_t tagged(const struct set *set, uint32_t number, uint64_t hash)
{
	return number | ((uint32_t)hash & ~set->number);
}

inlined const uint64_t *state_at(const struct set *set, uint32_t slot, int words)
{
	return set->states + (int64_t)(slot & set->number) * words;
}

/* The first slot from `at` on that is empty or has the tag of a hash. */
inlined int64_t likely(const struct set *set, const uint32_t *index, int64_t at, uint64_t hash)
{
	while (index[at] != EMPTY && !has_tag(set, index[at], hash))
		at = next_slot(at, set->slots);
	return at;
}

/* The slot of a state, or the empty one where it belongs; at `at` or behind it. */
inlined int64_t slot_of(const struct set *set, const uint32_t *index, int64_t at,
			const uint64_t *state, uint64_t hash, int words)
{
	for (;;) {
		at = likely(set, index, at, hash);
		if (index[at] == EMPTY || is_same(state_at(set, index[at], words), state, words))
			return at;
		at = next_slot(at, set->slots);
	}
}

inlined uint32_t *table_of(const struct set *set, uint64_t hash)
{
	return set->index[part_of(hash, set->parts)];
}

/*
 * Fetch what looking a state up will need, some states ahead. `ahead` remembers how far each has
 * come: what comes to stand in a slot in between is never what was looked for before it.
 */
inlined void fetch(const struct set *set, const uint64_t *hash, int64_t i, int64_t count,
		   int64_t *ahead, int words)
{
	if (i + FAR_AHEAD < count) {
		uint64_t far = hash[i + FAR_AHEAD];

		__builtin_prefetch(table_of(set, far) + first_slot(far, set->slots), 1);
	}
	if (i + AHEAD < count) {
		uint64_t near = hash[i + AHEAD];
		const uint32_t *index = table_of(set, near);
		int64_t at = likely(set, index, first_slot(near, set->slots), near);

		__builtin_prefetch(state_at(set, index[at], words));
		ahead[(i + AHEAD) % AHEAD] = at;
	}
}

/* Remember the first slots of the first states, which nobody has fetched. */
inlined void begin_fetching(const struct set *set, const uint64_t *hash, int64_t count,
			    int64_t *ahead)
{
	for (int64_t i = 0; i < AHEAD && i < count; i++)
		ahead[i] = first_slot(hash[i], set->slots);
}

/* The answer where the footprint has too many valuations for a place each. */
inlined int32_t wide_answer(const struct task *task, const uint64_t *state, int footprint,
			    int words)
{
	const uint64_t *mask = task->wide_mask + footprint * words;
	uint64_t bits[words], hash;
	uint32_t slot;

	for (int n = 0; n < words; n++)
		bits[n] = state[n] & mask[n];
	hash = hash_of(bits, words);
	slot = task->wide->index[0][slot_of(task->wide, task->wide->index[0],
					    first_slot(hash, task->wide->slots), bits, hash, words)];
	return slot == EMPTY ? ASK : task->wide_answer[slot & task->wide->number];
}

inlined int32_t narrow_answer(const struct task *task, const uint64_t *state, int32_t local,
			      int low, int high)
{
	uint64_t question = task->base[local];

	for (const struct field *field = task->fields + low; field < task->fields + high; field++)
		question += (state[field->word] >> field->shift & field->mask) << field->place;
	return task->narrow[question];
}

inlined int64_t look_up_n(const struct task *task, const struct chunk *chunk,
			  const struct view *view, int words)
{
	int64_t unknown = 0;

	for (int n = 1; n < task->footprints; n++) {
		int low = task->starts[n], high = task->starts[n + 1];
		int64_t asking = unknown;

		for (int32_t i = view->ends[n - 1]; i < view->ends[n]; i++) {
			int32_t number = view->order[i];
			const uint64_t *state = chunk->states + (int64_t)number * words;

			view->answer[i] = task->is_wide[n] ? wide_answer(task, state, n, words)
				: narrow_answer(task, state, view->local[number], low, high);
			unknown += view->answer[i] == ASK;
		}
		view->asks[n] = unknown > asking;
	}
	return unknown;
}

/* Ask for every state; gives how many ask something new. */
int64_t look_up(const struct task *task, const struct chunk *chunk, const struct view *view)
{
#define call(words) look_up_n(task, chunk, view, words)
	FOR_EACH_NUMBER_OF_WORDS(chunk->words, call)
#undef call
}

/* How many steps the task can take, all outcomes counted. */
int64_t count_steps(const struct task *task, const struct view *view)
{
	int64_t steps = 0;

	for (int32_t i = view->ends[0]; i < view->ends[task->footprints - 1]; i++)
		if (view->answer[i] != NOTHING)
			steps += task->answers[view->answer[i]].outcomes;
	return steps;
}

inlined void take_step(const struct task *task, const struct chunk *chunk, int32_t state,
		       int32_t row, struct candidates *to, int words)
{
	const uint64_t *from = chunk->states + (int64_t)state * words;
	const uint64_t *delta = task->deltas + (int64_t)row * words;
	uint64_t *after = to->states + to->count * words;

	for (int n = 0; n < words; n++)
		after[n] = from[n] + delta[n];
	to->hash[to->count] = hash_of(after, words);
	to->before[to->count] = state;
	if (to->row)
		to->row[to->count] = row;
	to->count++;
}

/* Note a step that shows a finding, unless `shown` says that its row has been noted by `stamp`. */
inlined void note(const struct task *task, int32_t *shown, int32_t stamp, struct flag *flags,
		  int64_t *many, struct flag flag)
{
	if (!task->shows[flag.row] || shown[flag.row] == stamp)
		return;
	shown[flag.row] = stamp;
	flags[(*many)++] = flag;
}

inlined int64_t take_steps_n(const struct task *task, const struct chunk *chunk,
			     const struct view *view, struct candidates *to, int32_t *shown,
			     struct flag *flags, struct rest *rests, int words)
{
	int32_t stamp = 0;
	int64_t many = 0;

	for (int n = 1; n < task->footprints; n++) {
		int32_t outcome = 0;
		int64_t left = 0;

		stamp++;
		for (int32_t i = view->ends[n - 1]; i < view->ends[n]; i++) {
			struct answer answer = task->answers[view->answer[i]];
			int32_t state = view->order[i];

			if (view->answer[i] == NOTHING)
				continue;
			chunk->is_alone[state] = 0;
			take_step(task, chunk, state, answer.first, to, words);
			note(task, shown, stamp, flags, &many,
			     (struct flag){ n, outcome, answer.first, state });
			if (answer.outcomes > 1)
				rests[left++] = (struct rest){ state, answer.first + 1,
							       answer.outcomes - 1 };
		}
		while (left) {
			int64_t still = 0;

			stamp++;
			outcome++;
			for (int64_t i = 0; i < left; i++) {
				struct rest rest = rests[i];

				take_step(task, chunk, rest.state, rest.row, to, words);
				note(task, shown, stamp, flags, &many,
				     (struct flag){ n, outcome, rest.row, rest.state });
				if (rest.outcomes > 1)
					rests[still++] = (struct rest){ rest.state, rest.row + 1,
									rest.outcomes - 1 };
			}
			left = still;
		}
	}
	return many;
}

/*
 * Take all steps of a task: footprint by footprint, outcome by outcome, in order of states. Gives
 * how many flags there are. `shown` has a place for each row, all 0; `rests` one for each state.
 */
int64_t take_steps(const struct task *task, const struct chunk *chunk, const struct view *view,
		   struct candidates *to, int32_t *shown, struct flag *flags, struct rest *rests)
{
#define call(words) take_steps_n(task, chunk, view, to, shown, flags, rests, words)
	FOR_EACH_NUMBER_OF_WORDS(chunk->words, call)
#undef call
}

/* ---- a set of states, by one thread ---- */

/* Gives how many states there are then. `set` is a copy: what it says stays in registers. */
inlined int64_t keep_n(struct set set, const struct candidates *from, uint32_t low,
		       uint32_t *number, uint8_t *is_top, int words)
{
	const struct candidates all = *from;
	int64_t ahead[AHEAD];

	begin_fetching(&set, all.hash, all.count, ahead);
	for (int64_t i = 0; i < all.count; i++) {
		const uint64_t *state = all.states + i * words;
		uint32_t *index = table_of(&set, all.hash[i]);
		uint32_t before = low + all.before[i], there;
		int64_t at = slot_of(&set, index, ahead[i % AHEAD], state, all.hash[i], words);

		fetch(&set, all.hash, i, all.count, ahead, words);
		there = index[at] & set.number;
		if (index[at] == EMPTY) {
			there = set.count++;
			index[at] = tagged(&set, there, all.hash[i]);
			set.before[there] = before;
			for (int n = 0; n < words; n++)
				set.states[(int64_t)there * words + n] = state[n];
		}
		if (number)
			number[i] = there;
		if (is_top && there > before)
			is_top[all.before[i]] = 0;
	}
	return set.count;
}

/*
 * Number those candidates that are new, each once. `number` gets the number of each candidate;
 * `is_top` loses the states that have a step to a state with a higher number. Either may be NULL.
 */
void keep(struct set *set, const struct candidates *from, uint32_t low, uint32_t *number,
	  uint8_t *is_top)
{
#define call(words) keep_n(*set, from, low, number, is_top, words)
	switch (set->words) {
	case 1: set->count = call(1); break;
	case 2: set->count = call(2); break;
	case 3: set->count = call(3); break;
	default: set->count = call(set->words);
	}
#undef call
}

void hash_all(const uint64_t *states, int64_t count, int32_t words, uint64_t *hash)
{
	for (int64_t i = 0; i < count; i++)
		hash[i] = hash_of(states + i * words, words);
}

/* The numbers of states that are there. */
void find(const struct set *set, const uint64_t *states, const uint64_t *hash, int64_t count,
	  uint32_t *number)
{
	int words = set->words;
	int64_t ahead[AHEAD];

	begin_fetching(set, hash, count, ahead);
	for (int64_t i = 0; i < count; i++) {
		const uint32_t *index = table_of(set, hash[i]);
		int64_t at = slot_of(set, index, ahead[i % AHEAD], states + i * words, hash[i], words);

		fetch(set, hash, i, count, ahead, words);
		number[i] = index[at] & set->number;
	}
}

/* Enter the states of one part into its index. No two are equal: each needs an empty slot. */
void fill(const struct set *set, int32_t part)
{
	const struct set known = *set;
	uint32_t *index = known.index[part];
	int words = known.words;

	memset(index, 0xff, known.slots * sizeof(*index));
	for (int64_t low = 0; low < known.count; low += FILL) {
		int64_t high = low + FILL < known.count ? low + FILL : known.count;
		uint64_t hash[FILL];
		uint32_t number[FILL];
		int many = 0;

		for (int64_t i = low; i < high; i++) {
			hash[many] = hash_of(known.states + i * words, words);
			number[many] = i;
			/* as a sum, since nothing foretells which part a state belongs to */
			many += part_of(hash[many], known.parts) == part;
		}
		for (int k = 0; k < many; k++)
			__builtin_prefetch(index + first_slot(hash[k], known.slots), 1);
		for (int k = 0; k < many; k++) {
			int64_t at = first_slot(hash[k], known.slots);

			while (index[at] != EMPTY)
				at = next_slot(at, known.slots);
			index[at] = tagged(&known, number[k], hash[k]);
		}
	}
}

/* Write one state in another form. */
inlined void move_fields(const uint64_t *from, uint64_t *to, int32_t words,
			 const struct move *moves, int32_t fields)
{
	uint64_t row[words];

	memset(row, 0, sizeof(row));
	for (const struct move *move = moves; move < moves + fields; move++)
		row[move->to_word] |= (from[move->from_word] >> move->from_shift & move->mask)
				      << move->to_shift;
	memcpy(to, row, sizeof(row));
}

/*
 * Give every state another form, in place: from the last one on where a state gains words, so that
 * none is written over before it is read.
 */
void lay_out(struct set *set, int32_t words, const struct move *moves, int32_t fields)
{
	uint64_t *states = set->states;
	int32_t before = set->words;

	if (words > before)
		for (int64_t i = set->count - 1; i >= 0; i--)
			move_fields(states + i * before, states + i * words, words, moves, fields);
	else
		for (int64_t i = 0; i < set->count; i++)
			move_fields(states + i * before, states + i * words, words, moves, fields);
	set->words = words;
}

/*
 * Of the states from `low` to `high`, those that differ from the state that they were reached from
 * in the bits of `mask`: their numbers, and those bits. Gives how many there are.
 */
int64_t changed(const struct set *set, int64_t low, int64_t high, const uint64_t *mask,
		uint32_t *number, uint64_t *bits)
{
	int words = set->words;
	int64_t count = 0;

	for (int64_t i = low; i < high; i++) {
		const uint64_t *state = set->states + i * words;
		const uint64_t *before = set->states + (int64_t)set->before[i] * words;
		uint64_t differs = 0;

		for (int n = 0; n < words; n++)
			differs |= (state[n] ^ before[n]) & mask[n];
		if (!differs)
			continue;
		for (int n = 0; n < words; n++)
			bits[count * words + n] = state[n] & mask[n];
		number[count++] = i;
	}
	return count;
}

/*
 * ---- the same set by several threads, phase by phase ----
 *
 * All candidates of some chunks lie one after the other. Each chunk is split into parts of the index
 * first. Then a thread looks up those that belong to its part (`claim`); the number of a new one is
 * its place behind the states. Once all parts are through, `settle` gives new ones their numbers,
 * chunk by chunk, as each knows how many are new before it; then `enter` puts these numbers where
 * the places were.
 */

/* Sort the places of a chunk's candidates by part, stably; those of part n end at `ends[n]`. */
void split(const struct candidates *all, int64_t begin, int64_t end, int32_t parts,
	   uint32_t *places, int64_t *ends)
{
	int64_t before = begin;

	memset(ends, 0, parts * sizeof(*ends));
	for (int64_t i = begin; i < end; i++)
		ends[part_of(all->hash[i], parts)]++;
	for (int n = 0; n < parts; n++) {
		int64_t many = ends[n];

		ends[n] = before;
		before += many;
	}
	for (int64_t i = begin; i < end; i++)
		places[ends[part_of(all->hash[i], parts)]++] = i;
}

/* The state that a number or a place stands for. */
inlined const uint64_t *standing(const struct set *set, const struct candidates *all, uint32_t slot,
				 int words)
{
	uint32_t number = slot & set->number;

	return number < set->count ? set->states + (int64_t)number * words
				   : all->states + (int64_t)(number - set->count) * words;
}

/*
 * Look up candidates of one part, those at some places. Gives how many are new; `claimed` has their
 * slots.
 */
int64_t claim(const struct set *set, int32_t part, const struct candidates *all,
	      const uint32_t *places, int64_t count, uint32_t *number, int64_t *claimed)
{
	const struct set known = *set;
	uint32_t *index = known.index[part];
	int words = known.words;
	int64_t ahead[AHEAD], many = 0;

	for (int64_t k = 0; k < AHEAD && k < count; k++)
		ahead[k] = first_slot(all->hash[places[k]], known.slots);
	for (int64_t k = 0; k < count; k++) {
		uint32_t i = places[k];
		const uint64_t *state = all->states + (int64_t)i * words;
		uint64_t hash = all->hash[i];
		int64_t at = likely(&known, index, ahead[k % AHEAD], hash);

		if (k + FAR_AHEAD < count)
			__builtin_prefetch(index + first_slot(all->hash[places[k + FAR_AHEAD]],
							      known.slots), 1);
		if (k + AHEAD < count) {
			uint64_t near = all->hash[places[k + AHEAD]];
			int64_t then = likely(&known, index, first_slot(near, known.slots), near);

			__builtin_prefetch(standing(&known, all, index[then], words));
			ahead[k % AHEAD] = then;
		}
		while (index[at] != EMPTY
		       && !is_same(standing(&known, all, index[at], words), state, words))
			at = likely(&known, index, next_slot(at, known.slots), hash);
		if (index[at] == EMPTY) {
			index[at] = tagged(&known, known.count + i, hash);
			claimed[many++] = at;
		}
		number[i] = index[at] & known.number;
	}
	return many;
}

/* Make the new ones among a chunk's candidates states, from number `next` on. */
void settle(const struct set *set, const struct candidates *all, const uint32_t *number,
	    int64_t begin, int64_t end, uint32_t low, uint32_t next, uint32_t *final)
{
	int words = set->words;

	for (int64_t i = begin; i < end; i++) {
		if (number[i] != set->count + i)
			continue;
		memcpy(set->states + (int64_t)next * words, all->states + i * words,
		       words * sizeof(*all->states));
		set->before[next] = low + all->before[i];
		final[i] = next++;
	}
}

/* Put numbers where a part's index has places. */
void enter(const struct set *set, int32_t part, const int64_t *claimed, int64_t many,
	   const uint32_t *final)
{
	uint32_t *index = set->index[part];

	for (int64_t i = 0; i < many; i++) {
		uint32_t *slot = index + claimed[i];

		*slot = (*slot & ~set->number) | final[(*slot & set->number) - set->count];
	}
}

/* Take from `is_top` the states of a chunk that have a step to one with a higher number. */
void not_tops(const struct set *set, const struct candidates *all, const uint32_t *number,
	      const uint32_t *final, int64_t begin, int64_t end, uint32_t low, uint8_t *is_top)
{
	for (int64_t i = begin; i < end; i++) {
		uint32_t to = number[i] < set->count ? number[i] : final[number[i] - set->count];

		if (to > low + all->before[i])
			is_top[all->before[i]] = 0;
	}
}
