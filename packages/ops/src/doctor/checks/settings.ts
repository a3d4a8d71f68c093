import { named } from '../../wording.js'
import { defineCheck, type Found } from '../check.js'

export const settings = defineCheck({
  name: 'settings bound what others may hold',
  needs: ['server'],
  why: 'One forgotten session or replication slot can keep vacuum or the write-ahead log from ever being given back.',
  judge({ server: { idleInTransactionMs, slotWalMegabytes, slots } }) {
    const found: Found[] = []
    if (idleInTransactionMs === 0) {
      found.push({
        code: 'IDLE_TRANSACTIONS_UNLIMITED',
        severity: 'advice',
        what: 'idle_in_transaction_session_timeout is 0: a transaction that somebody forgot stays open for ever.',
        next: "ALTER SYSTEM SET idle_in_transaction_session_timeout = '10min'; SELECT pg_reload_conf().",
      })
    }
    if (slots.length > 0 && slotWalMegabytes === -1) {
      const idle = slots.filter(({ active }) => !active).map(({ name }) => name)
      found.push({
        code: 'SLOT_WAL_UNLIMITED',
        severity: idle.length > 0 ? 'problem' : 'advice',
        what:
          idle.length > 0
            ? `Nobody reads replication slot ${named(idle)}, and max_slot_wal_keep_size does not bound what it keeps: the disk fills.`
            : 'max_slot_wal_keep_size is -1: a replication slot whose reader goes away fills the disk.',
        next:
          idle.length > 0
            ? `Start its reader, or: ${idle.map((name) => `SELECT pg_drop_replication_slot('${name}')`).join('; ')}.`
            : "ALTER SYSTEM SET max_slot_wal_keep_size = '50GB' (less than the disk has); SELECT pg_reload_conf().",
      })
    }
    return found
  },
})
