/*
 * Forgetting ids. A consumer inserts the id first, which holds the leaf, and reads the floor after that; an id below the
 * floor is refused. The one who empties raises the floor, commits, and only then locks the leaf and empties it.
 *
 * Claim: no message runs twice.
 *
 * Defects: FLOOR_FIRST (the consumer reads the floor before it inserts), EMPTY_FIRST (the leaf is emptied before the
 * floor is raised).
 */
bool known = false;         /* the id is in the leaf, committed */
byte holding = 0;           /* transactions that have inserted into the leaf */
bool locked = false;
bool raised = false;        /* the floor lies above the id */
byte runs = 0;
byte inserting = 0;         /* who holds the id, not committed yet */

proctype Consumer() {
  bool fresh; bool refused;
#ifdef FLOOR_FIRST
  refused = raised;
#endif
  /* Waits for the lock on the leaf, and for another transaction with the same id. */
  atomic { !locked && inserting == 0 -> holding++; fresh = !known; if :: fresh -> inserting = 1 :: else fi };
#ifndef FLOOR_FIRST
  refused = raised;
#endif
  atomic {
    if
    :: fresh -> inserting = 0; known = true; if :: !refused -> runs++ :: else fi
    :: else
    fi;
    holding--;
    assert(runs <= 1)
  }
}

proctype Reclaim() {
#ifndef EMPTY_FIRST
  raised = true;
#endif
  atomic { holding == 0 -> locked = true };
  atomic { known = false; locked = false };
#ifdef EMPTY_FIRST
  raised = true
#endif
}

init { atomic { run Consumer(); run Consumer(); run Reclaim() } }
