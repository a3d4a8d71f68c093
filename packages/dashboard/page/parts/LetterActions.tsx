import { useState } from 'preact/hooks'
import { useMe } from '../App.tsx'
import { api, type LetterQuery } from '../api.ts'
import { plural } from '../words.ts'
import { Confirm } from './Confirm.tsx'

/** Retry and discard, for one letter or for all that a filter finds; nothing for those who may only look. */
export function LetterActions(props: { filter: LetterQuery; letters: number; onDone: () => void }) {
  const { filter, letters, onDone } = props
  const { mayAct } = useMe()
  const [asking, setAsking] = useState<'retry' | 'discard' | null>(null)
  if (!mayAct) return null
  const what = plural(letters, 'dead letter')

  // A call takes a thousand at most; one that fails again meanwhile is not taken twice.
  const untilNone = async (call: (page: { after?: string }) => Promise<{ numbers: string[] }>) => {
    for (let after = (await call({})).numbers.at(-1); after !== undefined; )
      after = (await call({ after })).numbers.at(-1)
    onDone()
  }
  return (
    <span class="actions">
      <button type="button" onClick={() => setAsking('retry')}>
        Retry
      </button>
      <button type="button" onClick={() => setAsking('discard')}>
        Discard
      </button>
      {asking === 'retry' && (
        <Confirm
          title={`Retry ${what}?`}
          verb={`Retry ${what}`}
          reason="optional"
          onConfirm={(why) => untilNone((page) => api.retry({ ...filter, ...page, ...(why === '' ? {} : { why }) }))}
          onClose={() => setAsking(null)}
        >
          <p>A running consumer of the group handles each once more, then what waits behind it, in order.</p>
        </Confirm>
      )}
      {asking === 'discard' && (
        <Confirm
          title={`Discard ${what}?`}
          verb={`Discard ${what}`}
          dangerous
          reason="required"
          onConfirm={(why) => untilNone((page) => api.discard({ ...filter, ...page, why }))}
          onClose={() => setAsking(null)}
        >
          <p>They are deleted and never handled. What waits behind them is handled. This cannot be taken back.</p>
        </Confirm>
      )}
    </span>
  )
}
