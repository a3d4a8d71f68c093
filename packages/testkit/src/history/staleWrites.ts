import type { Case } from './judgeHistory.js'
import type { Violation } from './violation.js'

/** Writes that changed rows under an epoch that was over. */
export function staleWrites({ history }: Case): Violation[] {
  const { writes = [], settled, faults } = history
  return writes
    .filter(({ epoch, current, changedRows }) => epoch < current && changedRows > 0)
    .map((write) => ({
      rule: 'staleWrite',
      message: `epoch ${write.epoch} changed ${write.changedRows} rows while ${write.current} held the lane`,
      witness: { emits: [], writes: [write], settled, faults },
    }))
}
