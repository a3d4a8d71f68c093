import { defineCheck, type Found } from '../check.js'

const oldest = 14
const newestTested = 18

export const server = defineCheck({
  name: 'version and role of the server',
  needs: ['server'],
  why: 'On a standby nothing can be published or consumed; on an untested version nobody has seen the tests pass.',
  judge({ server: { version, standby } }) {
    const major = Math.floor(version / 10_000)
    const found: Found[] = []
    if (major < oldest || major > newestTested) {
      found.push({
        code: 'SERVER_UNSUITED',
        severity: major < oldest ? 'problem' : 'advice',
        what: `The server is Postgres ${major}; this version of oncebox was made for ${oldest} to ${newestTested}.`,
        next: major < oldest ? `Upgrade the server to ${oldest} or newer.` : 'Look for a newer version of oncebox.',
      })
    }
    if (standby) {
      found.push({
        code: 'SERVER_UNSUITED',
        what: 'The server is a standby.',
        next: 'Give --database-url of the primary.',
      })
    }
    return found
  },
})
