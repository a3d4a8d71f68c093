import { duration, named } from '../../wording.js'
import { defineCheck, type Found } from '../check.js'

export const clocks = defineCheck({
  name: 'clocks agree',
  needs: ['limits', 'clocks'],
  why: 'Ids carry the time of their producer: consumers refuse those more than 10 min ahead, and count the horizon from it.',
  judge({ limits, clocks: { skewMs, ahead } }) {
    const found: Found[] = []
    if (Math.abs(skewMs) > limits.clockSkewMs) {
      const how = `${duration(Math.abs(skewMs) / 1000)} ${skewMs > 0 ? 'behind' : 'ahead of'} that of the database`
      found.push({
        code: 'CLOCK_SKEW',
        severity: 'advice',
        what: `This machine's clock is ${how}.`,
        next: 'Let both follow the same time servers (NTP).',
      })
    }
    const late = ahead.filter(({ aheadMs }) => aheadMs > limits.clockSkewMs)
    if (late.length > 0) {
      const furthest = Math.max(...late.map(({ aheadMs }) => aheadMs))
      found.push({
        code: 'IDS_AHEAD',
        what: `Source ${named(late.map(({ source }) => source))} writes ids up to ${duration(furthest / 1000)} ahead of the database's clock.`,
        next: 'Set the clock of the machines it runs on (NTP), or mend how it makes ids.',
      })
    }
    return found
  },
})
