import type {
  ConsumerLag,
  ConsumerStatus,
  FlowCounters,
  FlowRates,
  LaneStatus,
  LeafStatus,
  Pause,
  Problem,
} from '@oncebox/ops'

/** Everything that is found in a database says in which: empty for the one with the outbox. */
export type Placed<T> = T & { readonly database: string }

/** Something that happened around the flow: a deployment, a failover, a fault that was made on purpose. */
export interface Annotation {
  /** Milliseconds since the Unix epoch. */
  readonly atMs: number
  /** A sentence for a person. */
  readonly text: string
}

/** The whole picture at one moment; what the page is sent again and again. */
export interface Overview {
  /** Milliseconds since the Unix epoch, by the clock of the database with the outbox. */
  readonly atMs: number
  readonly lanes: readonly LaneStatus[]
  /** What an operator has paused. */
  readonly paused: readonly Pause[]
  readonly leaves: readonly Placed<LeafStatus>[]
  readonly consumers: readonly Placed<ConsumerStatus>[]
  readonly problems: readonly Placed<Omit<Problem, 'code'> & { readonly code: string }>[]
  /** `handled` has the groups of all databases. */
  readonly flow: FlowCounters
  /** Null for the first picture: a rate is the difference of two. */
  readonly rates: FlowRates | null
  /** Null when it is not known: no brokers were named, or they do not answer. */
  readonly lag: readonly Placed<ConsumerLag>[] | null
  /** The newest ones of the host, the newest last. */
  readonly annotations: readonly Annotation[]
}
