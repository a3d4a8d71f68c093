import { defineCheck, type Found } from '../check.js'

export const durability = defineCheck({
  name: 'commits are durable',
  needs: ['server'],
  why: 'A crash takes commits back, with messages that may have been published by then.',
  judge({ server: { fsync, fullPageWrites, synchronousCommit } }) {
    const found: Found[] = []
    if (!fsync || !fullPageWrites) {
      const names = [fsync ? null : 'fsync', fullPageWrites ? null : 'full_page_writes'].filter((name) => name !== null)
      found.push({
        code: 'COMMITS_NOT_DURABLE',
        what: `${names.join(' and ')} ${names.length === 1 ? 'is' : 'are'} off: a crash of the machine can lose or break anything.`,
        next: `${names.map((name) => `ALTER SYSTEM SET ${name} = on`).join('; ')}; SELECT pg_reload_conf().`,
      })
    }
    if (synchronousCommit === 'off') {
      found.push({
        code: 'COMMITS_NOT_DURABLE',
        severity: 'advice',
        what: 'synchronous_commit is off for this user. emit raises it; rows inserted without emit, and effects of others, can be lost by a crash.',
        next: 'ALTER ROLE or ALTER DATABASE … SET synchronous_commit = on.',
      })
    }
    return found
  },
})
