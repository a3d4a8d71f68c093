import { consume } from './consume.js'
import { drain, usualArms } from './drain.js'
import { inbox } from './inbox.js'
import { latency } from './latency.js'
import { observed } from './observed.js'
import { peerArms, peers } from './peers.js'
import { profile } from './profile.js'
import type { SuiteResult } from './results.js'
import { scale } from './scale.js'
import { write } from './write.js'

type Progress = (line: string) => void

/** How much of everything a run of all subcommands does. */
export interface Extent {
  /** Interleaved rounds of what is given as a ratio. */
  readonly rounds: number
  /** Rounds of what is not. */
  readonly latencyRounds: number
  readonly messages: number
  readonly writeSeconds: number
  readonly latencySeconds: number
  readonly inboxMessages: number
  readonly remembered: number
  readonly scaleMessages: number
  readonly scaleLarge: number
  readonly scaleHuge: number
}

/** About an hour and a half on two cores. */
export const full: Extent = {
  rounds: 7,
  latencyRounds: 3,
  messages: 1_000_000,
  writeSeconds: 5,
  latencySeconds: 20,
  inboxMessages: 100_000,
  remembered: 2_000_000,
  scaleMessages: 200_000,
  scaleLarge: 1_000_000,
  scaleHuge: 0,
}

/** A few minutes: enough to see that everything runs, not to compare. */
export const quick: Extent = {
  rounds: 2,
  latencyRounds: 1,
  messages: 50_000,
  writeSeconds: 1,
  latencySeconds: 3,
  inboxMessages: 10_000,
  remembered: 50_000,
  scaleMessages: 10_000,
  scaleLarge: 50_000,
  scaleHuge: 0,
}

/** What a run of all subcommands runs, in this order. */
export const suites = {
  drain: ({ messages, rounds }: Extent, progress: Progress) => drain({ messages, rounds, arms: usualArms, progress }),
  observed: ({ messages, rounds }: Extent, progress: Progress) => observed({ messages, rounds, progress }),
  peers: ({ messages, rounds }: Extent, progress: Progress) => peers({ messages, rounds, arms: peerArms, progress }),
  profile: ({ messages }: Extent, progress: Progress) => profile({ messages, progress }),
  write: ({ writeSeconds: seconds, rounds }: Extent, progress: Progress) => write({ seconds, rounds, progress }),
  latency: ({ latencySeconds: seconds, latencyRounds: rounds }: Extent, progress: Progress) =>
    latency({ seconds, rounds, progress }),
  consume: ({ messages, rounds }: Extent, progress: Progress) => consume({ messages, rounds, progress }),
  inbox: ({ inboxMessages: messages, remembered, rounds }: Extent, progress: Progress) =>
    inbox({ messages, remembered, rounds, progress }),
  scale: ({ scaleMessages: messages, scaleLarge: large, scaleHuge: huge, rounds }: Extent, progress: Progress) =>
    scale({ messages, large, huge, rounds, progress }),
} as const satisfies Record<string, (extent: Extent, progress: Progress) => Promise<SuiteResult>>

export type SuiteName = keyof typeof suites
export const suiteNames = Object.keys(suites) as SuiteName[]
