import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type CpuProfile, selfTimes } from './cpuProfile.js'
import type { SuiteResult } from './results.js'
import { runArm } from './runArm.js'
import { createTopics, migrated, withServers } from './servers.js'
import { fillOutbox, partitions, topic } from './workload.js'

export interface ProfileOptions {
  readonly messages: number
  readonly progress: (line: string) => void
}

const shown = 25

/** Where the relay's process spends its time while it drains: what says why a goal is missed, and what to do next. */
export function profile({ messages, progress }: ProfileOptions): Promise<SuiteResult> {
  return withServers({ progress }, async ({ pool, admin, environment }) => {
    await createTopics(admin, [topic], partitions)
    await migrated(pool, 'oncebox')
    progress(`filling the outbox with ${messages.toLocaleString('en')} messages`)
    await fillOutbox(pool, 'oncebox', messages)
    await pool.query('VACUUM ANALYZE oncebox.outbox')
    const directory = await mkdtemp(join(tmpdir(), 'oncebox-profile-'))
    try {
      const file = join(directory, 'relay.cpuprofile')
      await runArm('relay', { ...environment, TRANSPORT: 'kafka', PROFILE_TO: file })
      const times = selfTimes(JSON.parse(await readFile(file, 'utf8')) as CpuProfile)
      const samples = times.slice(0, shown).map(({ where, percent }) => [where, [{ selfPercent: percent }]] as const)
      return {
        suite: 'profile',
        at: new Date().toISOString(),
        settings: { messages },
        samples: Object.fromEntries(samples),
        failures: [],
        skipped: {},
      }
    } finally {
      await rm(directory, { recursive: true, force: true })
    }
  })
}
