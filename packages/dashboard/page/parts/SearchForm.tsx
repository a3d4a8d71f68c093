import type { MessageQuery } from '../api.ts'

/** The text of a form's field, trimmed; empty when there is none. */
function field(form: HTMLFormElement, name: string): string {
  return String(new FormData(form).get(name) ?? '').trim()
}

const hours = [
  ['1', 'the last hour'],
  ['6', 'the last 6 hours'],
  ['24', 'the last day'],
  ['72', 'the last 3 days'],
] as const

/** Milliseconds since the Unix epoch, for the range that the form names. */
export function queryOf(form: HTMLFormElement, nowMs: number): MessageQuery {
  const [topic, key, type] = [field(form, 'topic'), field(form, 'key'), field(form, 'type')]
  return {
    ...(topic === '' ? {} : { topic }),
    ...(key === '' ? {} : { key }),
    ...(type === '' ? {} : { type }),
    from: nowMs - Number(field(form, 'hours')) * 3_600_000,
  }
}

/** Topic, key, type and a time range. */
export function SearchForm({ verb, onSearch }: { verb: string; onSearch: (query: MessageQuery) => void }) {
  const submit = (event: SubmitEvent) => {
    event.preventDefault()
    onSearch(queryOf(event.currentTarget as HTMLFormElement, Date.now()))
  }
  return (
    <form class="search" onSubmit={submit}>
      <label>
        Topic
        <input name="topic" autocomplete="off" />
      </label>
      <label>
        Key
        <input name="key" autocomplete="off" />
      </label>
      <label>
        Type
        <input name="type" autocomplete="off" />
      </label>
      <label>
        Written in
        <select name="hours">
          {hours.map(([value, words]) => (
            <option key={value} value={value}>
              {words}
            </option>
          ))}
        </select>
      </label>
      <button type="submit" class="primary">
        {verb}
      </button>
    </form>
  )
}
