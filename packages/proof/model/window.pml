/*
 * Windows: what the relay reads is what its snapshot sees and the last one did not (design after PgQ).
 *
 * Writers get a transaction id, insert a row, and end in any order; ids above the newest that has ended are in no list of
 * a snapshot. The relay reads a window in one statement, publishes it, and writes its snapshot down, which takes an id
 * and reaches the disk later. It may lose its connection at any time, and the database may crash: then what runs is
 * aborted, what is not on disk is gone, and ids that reached no disk are handed out again.
 *
 * Claim: what the cursor has passed is published; nothing that committed is left behind.
 *
 * Defects: IGNORE_XIP, ONLY_XIP, CURSOR_FIRST, KEEP_LAST.
 */
#define WRITERS 2
#define NONE 255

byte xid[WRITERS] = NONE;
byte state[WRITERS];        /* 0 idle, 1 has an id, 2 has inserted, 3 committed, 4 aborted */
bool published[WRITERS];

byte next = 1;              /* the next transaction id */
byte completed = 0;         /* the newest that has ended */
byte durableNext = 1;
byte crashes = 1;
byte losses = 1;

/* A snapshot: xmax, and the writers that run below it. */
byte lastMax = 1; byte lastXip = 0;               /* in the relay's memory */
byte cursorMax = 1; byte cursorXip = 0;           /* in the table */
byte diskMax = 1; byte diskXip = 0;               /* of it, on disk */
bool lost = false;                                /* the relay's connection */

#define running(i) (state[i] == 1 || state[i] == 2)
#define bit(i) (1 << (i))
#define seenBy(i, max, xip) (xid[i] < max && !(xip & bit(i)))

inline flush() { durableNext = next; diskMax = cursorMax; diskXip = cursorXip }
inline complete(id) { if :: id > completed -> completed = id :: else fi }

proctype Writer(byte me) {
  byte life = crashes;
  atomic { life == crashes -> xid[me] = next; next++; state[me] = 1 }
  atomic { if :: life == crashes -> state[me] = 2 :: else -> goto over fi }
  atomic {
    if
    :: life != crashes
    :: life == crashes -> state[me] = 3; complete(xid[me]); flush()
    :: life == crashes -> state[me] = 4; complete(xid[me])
    fi
  }
over: skip
}

proctype Relay() {
  byte i; byte rows; byte nowMax; byte nowXip; byte round = 0;
begin:
  atomic {
    lost = false;
#ifdef KEEP_LAST
    if :: round == 0 -> lastMax = cursorMax; lastXip = cursorXip :: else fi;
#else
    lastMax = cursorMax; lastXip = cursorXip;
#endif
  }
  do
  :: round < 3 ->
    round++;
    atomic {
      if :: lost -> goto begin :: else fi;
      nowMax = completed + 1; nowXip = 0; rows = 0;
      for (i : 0 .. WRITERS - 1) {
        if :: running(i) && xid[i] < nowMax -> nowXip = nowXip | bit(i) :: else fi;
        if
        :: state[i] == 3 && (false
#ifndef ONLY_XIP
          || xid[i] >= lastMax
#endif
#ifndef IGNORE_XIP
          || (xid[i] < lastMax && (lastXip & bit(i)))
#endif
          ) -> rows = rows | bit(i)
        :: else
        fi
      }
      lastMax = nowMax; lastXip = nowXip; i = 0
    }
#ifdef CURSOR_FIRST
    atomic { if :: lost -> goto begin :: else -> cursorMax = lastMax; cursorXip = lastXip; complete(next); next++ fi }
#endif
    do
    :: i < WRITERS -> atomic { if :: rows & bit(i) -> published[i] = true :: else fi; i++ }
    :: i < WRITERS && lost -> goto begin
    :: i == WRITERS -> break
    od;
#ifndef CURSOR_FIRST
    atomic { if :: lost -> goto begin :: else -> cursorMax = lastMax; cursorXip = lastXip; complete(next); next++ fi }
#endif
  :: round == 3 -> break
  od
}

proctype Trouble() {
  byte i;
  do
  :: losses > 0 -> atomic { lost = true; losses-- }
  :: true -> atomic { flush() } ; break
  od;
  if
  :: atomic {
      crashes--; lost = true;
      for (i : 0 .. WRITERS - 1) { if :: running(i) -> state[i] = 4; xid[i] = NONE :: else fi }
      next = durableNext; completed = next - 1; cursorMax = diskMax; cursorXip = diskXip
    }
  :: skip
  fi
}

init {
  atomic { run Writer(0); run Writer(1); run Relay(); run Trouble() }
}

/* Whoever has committed and lies behind the cursor is published. */
active proctype Judge() {
  byte i;
  atomic {
    do
    :: i < WRITERS ->
      if
      :: state[i] == 3 && seenBy(i, cursorMax, cursorXip) && !published[i] -> assert(false)
      :: else
      fi;
      i++
    :: i == WRITERS -> break
    od
  }
}
