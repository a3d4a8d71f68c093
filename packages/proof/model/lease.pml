/*
 * The lease: one relay a lane. The server counts from when it ran the statement; the holder counts from when it sent it,
 * and begins no publish once its own time is over. Every write carries the epoch.
 *
 * Claims: while the holder believes that it holds, nobody else has taken over; a write of an old epoch changes nothing.
 *
 * Defects: FROM_ANSWER (the holder counts from the answer), NO_EPOCH (writes do not ask whose lane it is).
 */
#define LEASE 3
#define HORIZON 9

byte now = 0;
byte epoch = 1;             /* of the lane, in the database */
byte expires = LEASE;       /* by the server's clock */
byte begun = 0;             /* when the holder's lease begins, as the holder knows */

#define believes (now - begun < LEASE)

active proctype Time() {
  do :: now < HORIZON -> now++ :: now == HORIZON -> break od
}

/* Renews, and writes its progress, for as long as it likes; each statement takes its time on the way there and back. */
active proctype Holder() {
  byte sent; bool held;
  do
  :: now < HORIZON ->
    sent = now;
    atomic {
      held = (epoch == 1);
#ifdef NO_EPOCH
      expires = now + LEASE;
      assert(held)
#else
      if :: held -> expires = now + LEASE :: else fi
#endif
    }
    atomic {
      if
      :: held ->
#ifdef FROM_ANSWER
        begun = now
#else
        begun = sent
#endif
      :: else -> break
      fi
    }
  :: break
  od
}

active proctype Standby() {
  atomic { now > expires && epoch == 1 -> epoch = 2; assert(!believes) }
}
