import {
  type Broker,
  type Connection,
  decodeConsumerProtocolAssignment,
  decodeConsumerProtocolSubscription,
  encodeConsumerProtocolAssignment,
  encodeConsumerProtocolSubscription,
  findCoordinatorV3,
  heartbeatV4,
  joinGroupV7,
  leaveGroupV4,
  offsetCommitV8,
  offsetFetchV7,
  syncGroupV5,
} from '@platformatic/kafka'
import type { Cluster } from './cluster.js'
import { ask, type Connections, within } from './connections.js'
import { kafkaError, kafkaErrorNumber, responseOf } from './failure.js'
import { assignRoundRobin } from './groupAssignor.js'

type JoinGroupResponse = Awaited<ReturnType<typeof joinGroupV7.api.async>>

const protocolType = 'consumer'
/** One assignor under two names: Java's and this library's, and that of kafkajs, so that a group can move over. */
const protocolNames = ['roundrobin', 'RoundRobinAssigner']
const groupKey = 0
const leaveMs = 3_000
/** What a coordinator may take beyond the rebalance timeout; other members may have longer ones. */
const joinGraceMs = 30_000

export interface MembershipParts {
  readonly group: string
  readonly topics: readonly string[]
  readonly cluster: Cluster
  /** For heartbeats and commits, which must not wait behind a join. */
  readonly coordination: Connections
  /** For joins, which last as long as a rebalance. */
  readonly joining: Connections
  readonly sessionTimeoutMs: number
  readonly rebalanceTimeoutMs: number
}

/** A place in a generation of the group. */
export interface Joined {
  /** What we were given, by topic. */
  readonly partitions: ReadonlyMap<string, readonly number[]>
  /** Partition counts of all topics of the group when they were dealt out, if we did that. */
  readonly dealtOut: ReadonlyMap<string, number> | null
}

export interface CommittedOffset {
  readonly topic: string
  readonly partition: number
  readonly offset: bigint
}

/** What a coordinator's error says of our membership. */
export type MembershipNews = 'rebalancing' | 'lost' | 'unknown'

export function membershipNews(error: unknown): MembershipNews {
  switch (kafkaErrorNumber(error)) {
    case kafkaError.rebalanceInProgress:
      return 'rebalancing'
    case kafkaError.illegalGeneration:
    case kafkaError.unknownMemberId:
      return 'lost'
    default:
      return 'unknown'
  }
}

/** Our membership in a consumer group, in the classic protocol (Kafka protocol, "Consumer Group APIs"). */
export class GroupMembership {
  readonly #parts: MembershipParts
  readonly #requestMs: number
  #coordinator: Broker | null = null
  #memberId = ''
  #generationId = -1

  constructor(parts: MembershipParts) {
    this.#parts = parts
    this.#requestMs = Math.ceil(parts.sessionTimeoutMs / 3)
  }

  /**
   * Joins the next generation, on a connection made for it: one that has been silent since the last join may be dead by now (a
   * firewall forgets), and a join may be without an answer for as long as a rebalance lasts. Rejects with the client
   * library's error; joining again is then right.
   */
  async join(): Promise<Joined> {
    const { joining, rebalanceTimeoutMs } = this.#parts
    for (;;) {
      let connection: Connection | undefined
      try {
        connection = await this.#connection(joining)
        const response = await ask(connection, rebalanceTimeoutMs + joinGraceMs, (to) => this.#joinRequest(to))
        this.#memberId = response.memberId
        this.#generationId = response.generationId
        return await this.#sync(connection, response)
      } catch (error) {
        this.#learn(error)
        const number = kafkaErrorNumber(error)
        if (number === kafkaError.memberIdRequired) {
          this.#memberId = responseOf<JoinGroupResponse>(error).memberId
          continue
        }
        if (number === kafkaError.rebalanceInProgress || number === kafkaError.illegalGeneration) continue
        throw error
      } finally {
        connection?.socket.destroy()
      }
    }
  }

  /** Tells the coordinator that we live. Rejects with what it has to say, or when it gives no answer. */
  async heartbeat(): Promise<void> {
    const { group } = this.#parts
    await this.#coordinate((to) => heartbeatV4.api.async(to, group, this.#generationId, this.#memberId, null))
  }

  async commit(offsets: readonly CommittedOffset[]): Promise<void> {
    const topics = Array.from(
      Map.groupBy(offsets, (each) => each.topic),
      ([name, own]) => ({
        name,
        partitions: own.map(({ partition, offset }) => ({
          partitionIndex: partition,
          committedOffset: offset,
          committedLeaderEpoch: -1,
          committedMetadata: null,
        })),
      }),
    )
    const { group } = this.#parts
    await this.#coordinate((to) =>
      offsetCommitV8.api.async(to, group, this.#generationId, this.#memberId, null, topics),
    )
  }

  /** The group's committed offsets, for partitions that have one. */
  async committed(partitions: ReadonlyMap<string, readonly number[]>): Promise<CommittedOffset[]> {
    const topics = Array.from(partitions, ([name, partitionIndexes]) => ({
      name,
      partitionIndexes: [...partitionIndexes],
    }))
    const groups = [{ groupId: this.#parts.group, memberId: null, memberEpoch: -1, topics }]
    // Stable offsets only: those of a transaction that is still open would be taken back with it.
    const response = await this.#coordinate((to) => offsetFetchV7.api.async(to, groups, true))
    return response.topics.flatMap(({ name, partitions: own }) =>
      own
        .filter(({ committedOffset }) => committedOffset >= 0n)
        .map(({ partitionIndex, committedOffset }) => ({
          topic: name,
          partition: partitionIndex,
          offset: committedOffset,
        })),
    )
  }

  /** Leaves the group, so that the others need not wait for our session to end. Takes 3 seconds at most. */
  async leave(): Promise<void> {
    if (this.#memberId === '') return
    const { group, coordination } = this.#parts
    const memberId = this.#memberId
    this.#memberId = ''
    const leaving = this.#connection(coordination).then((connection) =>
      ask(connection, leaveMs, (to) => leaveGroupV4.api.async(to, group, [{ memberId, groupInstanceId: null }])),
    )
    await within(leaving, leaveMs)
  }

  #joinRequest(to: Connection): Promise<JoinGroupResponse> {
    const { group, topics, sessionTimeoutMs, rebalanceTimeoutMs } = this.#parts
    const metadata = encodeConsumerProtocolSubscription({ version: 0, topics: [...topics] })
    const protocols = protocolNames.map((name) => ({ name, metadata }))
    return joinGroupV7.api.async(
      to,
      group,
      sessionTimeoutMs,
      rebalanceTimeoutMs,
      this.#memberId,
      null,
      protocolType,
      protocols,
    )
  }

  /** Gets our part of what the leader, who may be ourselves, dealt out. */
  async #sync(connection: Connection, response: JoinGroupResponse): Promise<Joined> {
    const { group, rebalanceTimeoutMs } = this.#parts
    const dealt = response.leader === response.memberId ? await this.#dealOut(response) : null
    const { assignment } = await ask(connection, rebalanceTimeoutMs + joinGraceMs, (to) =>
      syncGroupV5.api.async(
        to,
        group,
        response.generationId,
        response.memberId,
        null,
        protocolType,
        response.protocolName,
        dealt?.assignments ?? [],
      ),
    )
    const { assignedPartitions } = decodeConsumerProtocolAssignment(assignment)
    const own = assignedPartitions.filter(({ partitions }) => partitions.length > 0)
    return { partitions: new Map(own.map((each) => [each.topic, each.partitions])), dealtOut: dealt?.counts ?? null }
  }

  async #dealOut(response: JoinGroupResponse) {
    const members = response.members.map(({ memberId, metadata }) => ({
      memberId,
      topics: decodeConsumerProtocolSubscription(metadata).topics,
    }))
    const counts = await this.partitionCounts(new Set(members.flatMap((member) => member.topics)))
    const assignments = Array.from(assignRoundRobin(members, counts), ([memberId, topics]) => ({
      memberId,
      assignment: encodeConsumerProtocolAssignment({
        version: 0,
        assignedPartitions: Array.from(topics, ([topic, partitions]) => ({ topic, partitions: [...partitions] })),
        userData: null,
      }),
    }))
    return { counts, assignments }
  }

  /** How many partitions topics have now; 0 for one that is not there. */
  async partitionCounts(topics: Iterable<string>): Promise<ReadonlyMap<string, number>> {
    const { cluster } = this.#parts
    const names = [...topics]
    await cluster.refresh(names)
    return new Map(
      names.map((name) => {
        const state = cluster.known(name)
        return [name, state?.kind === 'known' ? state.leaders.length : 0]
      }),
    )
  }

  async #coordinate<T>(request: (to: Connection) => Promise<T>): Promise<T> {
    try {
      return await ask(await this.#connection(this.#parts.coordination), this.#requestMs, request)
    } catch (error) {
      this.#learn(error)
      throw error
    }
  }

  async #connection(connections: Connections): Promise<Connection> {
    if (this.#coordinator === null) {
      const { cluster, group } = this.#parts
      const { coordinators } = await cluster.anywhere((to) => findCoordinatorV3.api.async(to, groupKey, [group]))
      const found = coordinators[0]
      if (found === undefined) throw new Error('a coordinator response without a coordinator')
      this.#coordinator = { host: found.host, port: found.port }
    }
    return within(connections.get(this.#coordinator), this.#requestMs)
  }

  #learn(error: unknown): void {
    const number = kafkaErrorNumber(error)
    if (number === kafkaError.unknownMemberId) this.#memberId = ''
    const moved =
      number === undefined || number === kafkaError.notCoordinator || number === kafkaError.coordinatorNotAvailable
    if (moved) this.#coordinator = null
  }
}
