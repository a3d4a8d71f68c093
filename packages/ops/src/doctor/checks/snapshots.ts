import { duration } from '../../wording.js'
import { defineCheck } from '../check.js'

export const snapshots = defineCheck({
  name: 'no transaction stays open',
  needs: ['snapshotHolders'],
  why: 'Messages of others do not wait for it, but vacuum does, in the whole cluster, and no leaf that it has read is emptied.',
  judge({ snapshotHolders }) {
    return snapshotHolders.map((one) => {
      const who = [
        one.user ?? 'unknown user',
        one.database,
        one.application === '' ? null : JSON.stringify(one.application),
      ]
      const query = one.querySeconds === null ? '' : `, last statement ${duration(one.querySeconds)} ago`
      const holds = one.holdsSnapshot ? ', and holds back the snapshot of the cluster' : ''
      return {
        code: 'SNAPSHOT_HELD',
        what: `Pid ${one.pid} (${who.filter((part) => part !== null).join(', ')}) has had a transaction open for ${duration(one.transactionSeconds)}, ${one.state ?? 'state unknown'}${query}${holds}.`,
        next: `If nobody needs it: SELECT pg_terminate_backend(${one.pid}).`,
      }
    })
  },
})
