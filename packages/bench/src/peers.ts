import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Arm, interleave } from './interleave.js'
import { debeziumTuned } from './peers/debezium.js'
import { drainPeer } from './peers/drainPeer.js'
import { onceboxPeer } from './peers/oncebox.js'
import type { Peer } from './peers/peer.js'
import { pgTransactionalOutboxTuned } from './peers/pgTransactionalOutbox.js'
import { watermillTuned } from './peers/watermill.js'
import type { SuiteResult } from './results.js'
import { createTopics, migrated, withServers } from './servers.js'
import { partitions, topic } from './workload.js'

export const peerArms = ['oncebox', 'debeziumTuned', 'pgTransactionalOutboxTuned', 'watermillTuned'] as const
export type PeerArm = (typeof peerArms)[number]

export interface PeersOptions {
  readonly messages: number
  readonly rounds: number
  readonly arms: readonly PeerArm[]
  readonly progress: (line: string) => void
}

/**
 * Relays that others made, each as well set up as we know how, beside ours: all are driven and watched from outside in the
 * same way, from their first record to their last. What cannot be installed is left out, with the reason.
 */
export function peers({ messages, rounds, arms, progress }: PeersOptions): Promise<SuiteResult> {
  return withServers({ progress }, async (servers) => {
    await createTopics(servers.admin, [topic], partitions)
    await migrated(servers.pool, 'oncebox')
    const { url, port } = servers.postgres
    const known: Record<PeerArm, Peer> = {
      oncebox: onceboxPeer(),
      debeziumTuned: debeziumTuned(),
      pgTransactionalOutboxTuned: pgTransactionalOutboxTuned(url),
      watermillTuned: watermillTuned(port),
    }
    const arm = (name: PeerArm): Arm => ({
      name,
      async run() {
        const directory = await mkdtemp(join(tmpdir(), 'oncebox-bench-'))
        try {
          return await drainPeer(known[name], servers, { name, messages, directory })
        } finally {
          await rm(directory, { recursive: true, force: true })
        }
      },
    })
    return interleave(arms.map(arm), { suite: 'peers', rounds, progress, settings: { messages, payloadBytes: 200 } })
  })
}
