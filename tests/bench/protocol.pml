/*
 * `protocol.py` in Promela, for N vCPUs and LIMIT faults (-DN=, -DLIMIT=).
 *
 * A step is a d_step of one access and the branch on what it gave; Promela's own control state says where a process
 * stands, so that pan tries no other step there. What is dead is forgotten in the step that kills it: `faults` once the
 * mapping is sure to succeed, `accepted` when the guest is left. Accepting faults again by the code that faulted first;
 * the zapper's second attempt goes on in the first one's code, since `zapping` tells them apart. A process that has
 * finished waits for ever at an end label, which costs no step; returning would, and in one order only.
 *
 * The properties are asserted in those steps that can break them. With -DVALUATIONS, pan prints at its exit each
 * valuation of the shared cells that a step was taken from or led to.
 */

#define EXCLUSIVE 255

#define NP     0
#define FROZEN 1
#define LEAF   2

#define FREE    0
#define PENDING 1
#define MAPPED  2
#define BLOCKED 3

byte mmu_lock, spte, sept, tree, inside;
bool entry, zapping;

#define backed (spte != LEAF || sept == PENDING || sept == MAPPED)
#define thawed (spte != FROZEN || mmu_lock != EXCLUSIVE)

#ifdef VALUATIONS
c_decl {
	extern void meet(void);
}
c_code {
static unsigned char met[1 << 18];

static int
count_of(int bits)
{
	return (bits & 15) - 1;
}

static void
print_met(void)
{
	int i;

	for (i = 0; i < 1 << 18; i++)
		if (met[i])
			printf("valuation %d %d %d %d %d %d %d\n", count_of(i), i >> 4 & 3, i >> 6 & 3, count_of(i >> 8),
			       i >> 12 & 1, i >> 13 & 1, i >> 14);
}

void
meet(void)
{
	static int met_before;

	if (!met_before++)
		atexit(print_met);
	met[(now.mmu_lock + 1 & 15) | now.spte << 4 | now.sept << 6 | (now.tree + 1 & 15) << 8 |
	    now.entry << 12 | now.zapping << 13 | now.inside << 14] = 1;
}
}
#define MEET c_code { meet(); };
#else
#define MEET
#endif

#define STEP(when, what) d_step { when -> MEET what; MEET }
#define ONLY(when, what) if :: STEP(when, what) fi

/* Stands behind the label `enter`, and goes on below once the page is mapped. */
inline fault()
{
	if
	:: STEP(!zapping && faults < LIMIT, inside++); goto exit
	:: STEP(!zapping && faults == LIMIT, inside++)
	fi;
	if
	:: STEP(tree == 0, tree = EXCLUSIVE)
	:: STEP(tree != 0, skip); goto exit_busy
	fi;
	ONLY(true, tree = 0);
exit:
	ONLY(true, inside--);
	ONLY(mmu_lock != EXCLUSIVE, mmu_lock++);
	if
	:: STEP(spte == NP, skip)
	:: STEP(spte == FROZEN, skip); goto unlock_again
	:: STEP(spte == LEAF, faults = 0); goto unlock
	fi;
	if
	:: STEP(spte == NP, spte = FROZEN; assert(thawed))
	:: STEP(spte != NP, skip); goto unlock_again
	fi;
	if
	:: STEP(tree != EXCLUSIVE, tree++)
	:: STEP(tree == EXCLUSIVE, skip); goto restore
	fi;
	if
	:: STEP(!entry, entry = true; faults = 0); goto aug
	:: STEP(entry, skip)
	fi;
	ONLY(true, tree--);
restore:
	ONLY(true, spte = NP);
unlock_again:
	if
	:: STEP(faults < LIMIT, mmu_lock--; faults++)
	:: STEP(faults == LIMIT, mmu_lock--)
	fi;
	goto enter;
exit_busy:
	ONLY(true, inside--); goto enter;

aug:
	ONLY(true, assert(sept == FREE); sept = PENDING);
	ONLY(true, entry = false);
	ONLY(true, tree--);
	ONLY(true, spte = LEAF; assert(backed));
unlock:
	ONLY(true, mmu_lock--)
}

active proctype accepting_vcpu()
{
	byte faults;
	bool accepted;

enter:
	fault();
accept:
	ONLY(!zapping, inside++);
	if
	:: STEP(tree != EXCLUSIVE, tree++)
	:: STEP(tree == EXCLUSIVE, skip); goto accept_exit_busy
	fi;
	if
	:: STEP(!entry, entry = true)
	:: STEP(entry, skip); goto accept_put_busy
	fi;
	if
	:: STEP(sept == PENDING, sept = MAPPED; accepted = true)
	:: STEP(sept == MAPPED, accepted = true)
	:: STEP(sept == FREE || sept == BLOCKED, skip)
	fi;
	ONLY(true, entry = false);
	ONLY(true, tree--);
	if
	:: STEP(accepted, inside--; accepted = false)
	:: STEP(!accepted, inside--); goto enter
	fi;
end_accepted:
	false;

accept_put_busy:
	ONLY(true, tree--);
accept_exit_busy:
	ONLY(true, inside--); goto accept
}

#if N > 1
active [N - 1] proctype vcpu()
{
	byte faults;

enter:
	fault();
end_mapped:
	false
}
#endif

inline tdh_do_no_vcpus(after)
{
	if
	:: STEP(tree == 0, tree = EXCLUSIVE)
	:: STEP(tree != 0, skip);
		ONLY(true, zapping = true);
		ONLY(inside == 0, skip);
		ONLY(true, assert(tree == 0); tree = EXCLUSIVE)
	fi;
	ONLY(true, assert(!entry); entry = true);
	ONLY(true, sept = after; assert(backed));
	ONLY(true, entry = false);
	if
	:: STEP(!zapping, tree = 0)
	:: STEP(zapping, tree = 0);
		ONLY(true, zapping = false)
	fi
}

active proctype zapper()
{
	ONLY(mmu_lock == 0, mmu_lock = EXCLUSIVE; assert(thawed));
	if
	:: STEP(spte == LEAF, skip);
		ONLY(true, spte = NP);
		tdh_do_no_vcpus(BLOCKED);
		tdh_do_no_vcpus(FREE)
	:: STEP(spte != LEAF, skip)
	fi;
	ONLY(true, mmu_lock = 0);
end_zapped:
	false
}
