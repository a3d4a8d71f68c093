/*
 * Emptying a leaf of the outbox's ring. A writer may have read the slot long before it gets its id and inserts. The one
 * who empties locks the leaf against writers, then looks, in a new statement, whether every row in it is published.
 *
 * Claim: no committed row goes that was not published.
 *
 * Defects: LOOK_FIRST (look, then lock), XMIN_ONLY (the slot was switched and every transaction of that time has ended).
 */
byte newest = 0;            /* the slot that new rows get */
byte inLeaf = 0;            /* writers with an open transaction that have inserted into leaf 0 */
bool locked = false;        /* leaf 0, by whoever empties it */
byte rows = 0;              /* committed rows in leaf 0 */
byte published = 0;         /* of them, behind the persisted cursor */
byte oldest = 0;            /* transactions with an id that began before the slot was switched */

proctype Writer() {
  byte slot; bool early;
  slot = newest;
  atomic { early = (newest == 0); if :: early && slot == 1 -> early = false :: else fi; if :: early -> oldest++ :: else fi }
  if
  :: slot == 0 ->
    atomic { !locked -> inLeaf++ };
    atomic { inLeaf--; if :: rows++ :: skip fi; if :: early -> oldest-- :: else fi }
  :: else -> atomic { if :: early -> oldest-- :: else fi }
  fi
}

proctype Relay() {
  do :: published < rows -> atomic { if :: published < rows -> published++ :: else fi } :: break od
}

proctype Reclaim() {
  bool done;
  newest = 1;
#ifdef XMIN_ONLY
  oldest == 0 && published == rows;
  done = true;
#endif
#ifdef LOOK_FIRST
  done = (published == rows);
#endif
  /* The lock waits for those who have inserted and not ended. */
  atomic { inLeaf == 0 -> locked = true };
#ifndef LOOK_FIRST
#ifndef XMIN_ONLY
  done = (published == rows);
#endif
#endif
  atomic { if :: done -> assert(published == rows); rows = 0; published = 0 :: else fi; locked = false }
}

init { atomic { run Writer(); run Writer(); run Relay(); run Reclaim() } }
