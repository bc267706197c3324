------------------------------ MODULE protocol ------------------------------
\* `protocol.py` in TLA+, one action for each access and the branch on what it gave.
\*
\* `pc` says where a task stands. What is dead is forgotten in the step that kills it: `faults` once the mapping is
\* sure to succeed, `accepted` when the guest is left. Accepting faults again by the actions that faulted first; the
\* zapper's second attempt goes on in the first one's actions, since `zapping` tells them apart.

EXTENDS Integers, TLC

CONSTANTS VCPUS, LIMIT

VARIABLES mmu_lock, spte, sept, tree, entry, zapping, inside, pc, faults, accepted

vars == <<mmu_lock, spte, sept, tree, entry, zapping, inside, pc, faults, accepted>>

EXCLUSIVE == -1
Acceptor == 0
Zapper == VCPUS

Init == /\ mmu_lock = 0
        /\ spte = "NP"
        /\ sept = "FREE"
        /\ tree = 0
        /\ entry = FALSE
        /\ zapping = FALSE
        /\ inside = 0
        /\ pc = [i \in 0 .. VCPUS |-> IF i = Zapper THEN "write_lock" ELSE "enter"]
        /\ faults = [i \in 0 .. VCPUS - 1 |-> 0]
        /\ accepted = FALSE

Goes(i, to) == pc' = [pc EXCEPT ![i] = to]
Forgets(i) == faults' = [faults EXCEPT ![i] = 0]

\* The fault path.

Enter(i) ==
    /\ ~zapping
    /\ inside' = inside + 1
    /\ Goes(i, IF faults[i] = LIMIT THEN "stepping" ELSE "exit")
    /\ UNCHANGED <<mmu_lock, spte, sept, tree, entry, zapping, faults, accepted>>

Stepping(i) ==
    /\ IF tree = 0
       THEN tree' = EXCLUSIVE /\ Goes(i, "stepped")
       ELSE UNCHANGED tree /\ Goes(i, "exit_busy")
    /\ UNCHANGED <<mmu_lock, spte, sept, entry, zapping, inside, faults, accepted>>

Stepped(i) ==
    /\ tree' = 0
    /\ Goes(i, "exit")
    /\ UNCHANGED <<mmu_lock, spte, sept, entry, zapping, inside, faults, accepted>>

ExitBusy(i) ==
    /\ inside' = inside - 1
    /\ Goes(i, "enter")
    /\ UNCHANGED <<mmu_lock, spte, sept, tree, entry, zapping, faults, accepted>>

Exit(i) ==
    /\ inside' = inside - 1
    /\ Goes(i, "read_lock")
    /\ UNCHANGED <<mmu_lock, spte, sept, tree, entry, zapping, faults, accepted>>

ReadLock(i) ==
    /\ mmu_lock # EXCLUSIVE
    /\ mmu_lock' = mmu_lock + 1
    /\ Goes(i, "load")
    /\ UNCHANGED <<spte, sept, tree, entry, zapping, inside, faults, accepted>>

Load(i) ==
    /\ CASE spte = "NP" -> Goes(i, "freeze") /\ UNCHANGED faults
         [] spte = "FROZEN" -> Goes(i, "unlock_again") /\ UNCHANGED faults
         [] spte = "LEAF" -> Goes(i, "unlock") /\ Forgets(i)
    /\ UNCHANGED <<mmu_lock, spte, sept, tree, entry, zapping, inside, accepted>>

Freeze(i) ==
    /\ IF spte = "NP"
       THEN spte' = "FROZEN" /\ Goes(i, "try_shared")
       ELSE UNCHANGED spte /\ Goes(i, "unlock_again")
    /\ UNCHANGED <<mmu_lock, sept, tree, entry, zapping, inside, faults, accepted>>

TryShared(i) ==
    /\ IF tree = EXCLUSIVE
       THEN UNCHANGED tree /\ Goes(i, "restore")
       ELSE tree' = tree + 1 /\ Goes(i, "take_entry")
    /\ UNCHANGED <<mmu_lock, spte, sept, entry, zapping, inside, faults, accepted>>

TakeEntry(i) ==
    /\ IF entry
       THEN UNCHANGED <<entry, faults>> /\ Goes(i, "put_busy")
       ELSE entry' = TRUE /\ Forgets(i) /\ Goes(i, "aug")
    /\ UNCHANGED <<mmu_lock, spte, sept, tree, zapping, inside, accepted>>

PutBusy(i) ==
    /\ tree' = tree - 1
    /\ Goes(i, "restore")
    /\ UNCHANGED <<mmu_lock, spte, sept, entry, zapping, inside, faults, accepted>>

Restore(i) ==
    /\ spte' = "NP"
    /\ Goes(i, "unlock_again")
    /\ UNCHANGED <<mmu_lock, sept, tree, entry, zapping, inside, faults, accepted>>

UnlockAgain(i) ==
    /\ mmu_lock' = mmu_lock - 1
    /\ faults' = IF faults[i] < LIMIT THEN [faults EXCEPT ![i] = @ + 1] ELSE faults
    /\ Goes(i, "enter")
    /\ UNCHANGED <<spte, sept, tree, entry, zapping, inside, accepted>>

Aug(i) ==
    /\ Assert(sept = "FREE", "TDX_BUG_ON tdh_mem_page_aug")
    /\ sept' = "PENDING"
    /\ Goes(i, "leave_entry")
    /\ UNCHANGED <<mmu_lock, spte, tree, entry, zapping, inside, faults, accepted>>

LeaveEntry(i) ==
    /\ entry' = FALSE
    /\ Goes(i, "put_shared")
    /\ UNCHANGED <<mmu_lock, spte, sept, tree, zapping, inside, faults, accepted>>

PutShared(i) ==
    /\ tree' = tree - 1
    /\ Goes(i, "thaw")
    /\ UNCHANGED <<mmu_lock, spte, sept, entry, zapping, inside, faults, accepted>>

Thaw(i) ==
    /\ spte' = "LEAF"
    /\ Goes(i, "unlock")
    /\ UNCHANGED <<mmu_lock, sept, tree, entry, zapping, inside, faults, accepted>>

Unlock(i) ==
    /\ mmu_lock' = mmu_lock - 1
    /\ Goes(i, IF i = Acceptor THEN "accept" ELSE "done")
    /\ UNCHANGED <<spte, sept, tree, entry, zapping, inside, faults, accepted>>

\* TDG.MEM.PAGE.ACCEPT, in the guest.

AcceptEnter ==
    /\ ~zapping
    /\ inside' = inside + 1
    /\ Goes(Acceptor, "accept_try_shared")
    /\ UNCHANGED <<mmu_lock, spte, sept, tree, entry, zapping, faults, accepted>>

AcceptTryShared ==
    /\ IF tree = EXCLUSIVE
       THEN UNCHANGED tree /\ Goes(Acceptor, "accept_exit_busy")
       ELSE tree' = tree + 1 /\ Goes(Acceptor, "accept_take_entry")
    /\ UNCHANGED <<mmu_lock, spte, sept, entry, zapping, inside, faults, accepted>>

AcceptTakeEntry ==
    /\ entry' = TRUE
    /\ Goes(Acceptor, IF entry THEN "accept_put_busy" ELSE "accept_page")
    /\ UNCHANGED <<mmu_lock, spte, sept, tree, zapping, inside, faults, accepted>>

AcceptPutBusy ==
    /\ tree' = tree - 1
    /\ Goes(Acceptor, "accept_exit_busy")
    /\ UNCHANGED <<mmu_lock, spte, sept, entry, zapping, inside, faults, accepted>>

AcceptExitBusy ==
    /\ inside' = inside - 1
    /\ Goes(Acceptor, "accept")
    /\ UNCHANGED <<mmu_lock, spte, sept, tree, entry, zapping, faults, accepted>>

AcceptPage ==
    /\ sept' = IF sept = "PENDING" THEN "MAPPED" ELSE sept
    /\ accepted' = (sept \in {"PENDING", "MAPPED"})
    /\ Goes(Acceptor, "accept_leave_entry")
    /\ UNCHANGED <<mmu_lock, spte, tree, entry, zapping, inside, faults>>

AcceptLeaveEntry ==
    /\ entry' = FALSE
    /\ Goes(Acceptor, "accept_put_shared")
    /\ UNCHANGED <<mmu_lock, spte, sept, tree, zapping, inside, faults, accepted>>

AcceptPutShared ==
    /\ tree' = tree - 1
    /\ Goes(Acceptor, "accept_exit")
    /\ UNCHANGED <<mmu_lock, spte, sept, entry, zapping, inside, faults, accepted>>

AcceptExit ==
    /\ inside' = inside - 1
    /\ Goes(Acceptor, IF accepted THEN "done" ELSE "enter")
    /\ accepted' = FALSE
    /\ UNCHANGED <<mmu_lock, spte, sept, tree, entry, zapping, faults>>

\* The zapper: twice the same, to block and to remove.

WriteLock ==
    /\ mmu_lock = 0
    /\ mmu_lock' = EXCLUSIVE
    /\ Goes(Zapper, "zap_load")
    /\ UNCHANGED <<spte, sept, tree, entry, zapping, inside, faults, accepted>>

ZapLoad ==
    /\ Goes(Zapper, IF spte = "LEAF" THEN "zap" ELSE "write_unlock")
    /\ UNCHANGED <<mmu_lock, spte, sept, tree, entry, zapping, inside, faults, accepted>>

ZapStore ==
    /\ spte' = "NP"
    /\ Goes(Zapper, "block")
    /\ UNCHANGED <<mmu_lock, sept, tree, entry, zapping, inside, faults, accepted>>

TryExclusive(take_entry, busy) ==
    /\ IF tree = 0
       THEN tree' = EXCLUSIVE /\ Goes(Zapper, take_entry)
       ELSE UNCHANGED tree /\ Goes(Zapper, busy)
    /\ UNCHANGED <<mmu_lock, spte, sept, entry, zapping, inside, faults, accepted>>

KeepOut(kick) ==
    /\ zapping' = TRUE
    /\ Goes(Zapper, kick)
    /\ UNCHANGED <<mmu_lock, spte, sept, tree, entry, inside, faults, accepted>>

Kick(alone) ==
    /\ inside = 0
    /\ Goes(Zapper, alone)
    /\ UNCHANGED <<mmu_lock, spte, sept, tree, entry, zapping, inside, faults, accepted>>

TryAlone(take_entry) ==
    /\ Assert(tree = 0, "TDX_BUG_ON tdh_do_no_vcpus")
    /\ tree' = EXCLUSIVE
    /\ Goes(Zapper, take_entry)
    /\ UNCHANGED <<mmu_lock, spte, sept, entry, zapping, inside, faults, accepted>>

TakeEntryAlone(change) ==
    /\ Assert(~entry, "BUG an entry lock was held beside the exclusive tree")
    /\ entry' = TRUE
    /\ Goes(Zapper, change)
    /\ UNCHANGED <<mmu_lock, spte, sept, tree, zapping, inside, faults, accepted>>

Change(after, leave_entry) ==
    /\ sept' = after
    /\ Goes(Zapper, leave_entry)
    /\ UNCHANGED <<mmu_lock, spte, tree, entry, zapping, inside, faults, accepted>>

LeaveEntryAlone(put_exclusive) ==
    /\ entry' = FALSE
    /\ Goes(Zapper, put_exclusive)
    /\ UNCHANGED <<mmu_lock, spte, sept, tree, zapping, inside, faults, accepted>>

PutExclusive(let_in, next) ==
    /\ tree' = 0
    /\ Goes(Zapper, IF zapping THEN let_in ELSE next)
    /\ UNCHANGED <<mmu_lock, spte, sept, entry, zapping, inside, faults, accepted>>

LetIn(next) ==
    /\ zapping' = FALSE
    /\ Goes(Zapper, next)
    /\ UNCHANGED <<mmu_lock, spte, sept, tree, entry, inside, faults, accepted>>

WriteUnlock ==
    /\ mmu_lock' = 0
    /\ Goes(Zapper, "done")
    /\ UNCHANGED <<spte, sept, tree, entry, zapping, inside, faults, accepted>>

\* Where a task stands says which action is its next; CASE looks for it faster than a disjunction does.

Vcpu(i) ==
  CASE pc[i] = "enter" -> Enter(i)
    [] pc[i] = "stepping" -> Stepping(i)
    [] pc[i] = "stepped" -> Stepped(i)
    [] pc[i] = "exit_busy" -> ExitBusy(i)
    [] pc[i] = "exit" -> Exit(i)
    [] pc[i] = "read_lock" -> ReadLock(i)
    [] pc[i] = "load" -> Load(i)
    [] pc[i] = "freeze" -> Freeze(i)
    [] pc[i] = "try_shared" -> TryShared(i)
    [] pc[i] = "take_entry" -> TakeEntry(i)
    [] pc[i] = "put_busy" -> PutBusy(i)
    [] pc[i] = "restore" -> Restore(i)
    [] pc[i] = "unlock_again" -> UnlockAgain(i)
    [] pc[i] = "aug" -> Aug(i)
    [] pc[i] = "leave_entry" -> LeaveEntry(i)
    [] pc[i] = "put_shared" -> PutShared(i)
    [] pc[i] = "thaw" -> Thaw(i)
    [] pc[i] = "unlock" -> Unlock(i)
    [] pc[i] = "accept" -> AcceptEnter
    [] pc[i] = "accept_try_shared" -> AcceptTryShared
    [] pc[i] = "accept_take_entry" -> AcceptTakeEntry
    [] pc[i] = "accept_put_busy" -> AcceptPutBusy
    [] pc[i] = "accept_exit_busy" -> AcceptExitBusy
    [] pc[i] = "accept_page" -> AcceptPage
    [] pc[i] = "accept_leave_entry" -> AcceptLeaveEntry
    [] pc[i] = "accept_put_shared" -> AcceptPutShared
    [] pc[i] = "accept_exit" -> AcceptExit
    [] OTHER -> FALSE

Zap ==
  CASE pc[Zapper] = "write_lock" -> WriteLock
    [] pc[Zapper] = "zap_load" -> ZapLoad
    [] pc[Zapper] = "zap" -> ZapStore
    [] pc[Zapper] = "block" -> TryExclusive("block_entry", "block_busy")
    [] pc[Zapper] = "block_busy" -> KeepOut("block_kick")
    [] pc[Zapper] = "block_kick" -> Kick("block_alone")
    [] pc[Zapper] = "block_alone" -> TryAlone("block_entry")
    [] pc[Zapper] = "block_entry" -> TakeEntryAlone("block_change")
    [] pc[Zapper] = "block_change" -> Change("BLOCKED", "block_leave_entry")
    [] pc[Zapper] = "block_leave_entry" -> LeaveEntryAlone("block_put")
    [] pc[Zapper] = "block_put" -> PutExclusive("block_let_in", "remove")
    [] pc[Zapper] = "block_let_in" -> LetIn("remove")
    [] pc[Zapper] = "remove" -> TryExclusive("remove_entry", "remove_busy")
    [] pc[Zapper] = "remove_busy" -> KeepOut("remove_kick")
    [] pc[Zapper] = "remove_kick" -> Kick("remove_alone")
    [] pc[Zapper] = "remove_alone" -> TryAlone("remove_entry")
    [] pc[Zapper] = "remove_entry" -> TakeEntryAlone("remove_change")
    [] pc[Zapper] = "remove_change" -> Change("FREE", "remove_leave_entry")
    [] pc[Zapper] = "remove_leave_entry" -> LeaveEntryAlone("remove_put")
    [] pc[Zapper] = "remove_put" -> PutExclusive("remove_let_in", "write_unlock")
    [] pc[Zapper] = "remove_let_in" -> LetIn("write_unlock")
    [] pc[Zapper] = "write_unlock" -> WriteUnlock
    [] OTHER -> FALSE

Terminated ==
    /\ \A i \in 0 .. VCPUS : pc[i] = "done"
    /\ UNCHANGED vars

Next == (\E i \in 0 .. VCPUS - 1 : Vcpu(i)) \/ Zap \/ Terminated

Spec == Init /\ [][Next]_vars

Backed == spte # "LEAF" \/ sept \in {"PENDING", "MAPPED"}
Thawed == spte # "FROZEN" \/ mmu_lock # EXCLUSIVE
=============================================================================
