import type { FoundMessage } from '@oncebox/ops'
import { useEffect, useState } from 'preact/hooks'
import { api, type MessageQuery, type Refused } from '../api.ts'
import { Badge, type Tone } from '../parts/Badge.tsx'
import { Failure } from '../parts/Failure.tsx'
import { SearchForm } from '../parts/SearchForm.tsx'
import { type Column, Table } from '../parts/Table.tsx'
import { linkTo, type Route } from '../route.ts'
import { moment } from '../words.ts'
import { Message } from './Message.tsx'

const tones: Readonly<Record<FoundMessage['state'], Tone>> = { published: 'good', waiting: 'wait', parked: 'bad' }

export function Messages({ route }: { route: Route }) {
  return route.rest === '' ? <Search /> : <Message id={route.rest} />
}

interface Found {
  readonly query: MessageQuery
  readonly messages: readonly FoundMessage[]
  readonly before: string | null
  readonly searchedBackTo: string | null
}

function Search() {
  const [found, setFound] = useState<Found | null>(null)
  const [failure, setFailure] = useState<Refused | null>(null)
  const [busy, setBusy] = useState(false)

  const search = async (query: MessageQuery, earlier: Found | null) => {
    setBusy(true)
    try {
      const page = await api.searchMessages({ ...query, ...(earlier?.before ? { before: earlier.before } : {}) })
      setFound({ ...page, query, messages: [...(earlier?.messages ?? []), ...page.messages] })
      setFailure(null)
    } catch (error) {
      setFailure(error as Refused)
    } finally {
      setBusy(false)
    }
  }
  // What was written last is what most people come for.
  useEffect(() => void search({}, null), [])

  return (
    <>
      <h1>Messages</h1>
      <ById />
      <SearchForm verb="Search" onSearch={(query) => search(query, null)} />
      {failure !== null && <Failure failure={failure} />}
      {found === null && failure === null && <p class="soft">Looking…</p>}
      {found !== null && <Rows found={found} />}
      {found?.before && (
        <p>
          <button type="button" disabled={busy} onClick={() => search(found.query, found)}>
            Look further back
          </button>{' '}
          {found.searchedBackTo !== null && <span class="soft">searched back to {moment(found.searchedBackTo)}</span>}
        </p>
      )}
    </>
  )
}

function ById() {
  const open = (event: SubmitEvent) => {
    event.preventDefault()
    const id = String(new FormData(event.currentTarget as HTMLFormElement).get('id') ?? '').trim()
    if (id !== '') location.hash = linkTo('messages', id)
  }
  return (
    <form class="search" onSubmit={open}>
      <label class="wide">
        Global id
        <input name="id" autocomplete="off" spellcheck={false} placeholder="01a2143c-7a46-718b-ac8e-3d4f54d8b24d" />
      </label>
      <button type="submit">Show its way</button>
    </form>
  )
}

const columns: readonly Column<FoundMessage>[] = [
  { name: 'Written', kind: 'time', cell: ({ at }) => moment(at) },
  { name: 'State', cell: ({ state }) => <Badge tone={tones[state]}>{state}</Badge> },
  { name: 'Topic', cell: ({ topic }) => topic },
  { name: 'Key', kind: 'cut', cell: ({ key }) => key ?? <span class="soft">none</span> },
  { name: 'Type', cell: ({ type }) => type },
  {
    name: 'Id',
    cell: ({ id }) => (
      <a href={linkTo('messages', id)}>
        <code>{id}</code>
      </a>
    ),
  },
]

function Rows({ found: { messages, before } }: { found: Found }) {
  if (messages.length === 0) {
    return <p class="soft">{before === null ? 'No message is like that in this time.' : 'None so far.'}</p>
  }
  return (
    <Table
      label="Messages found"
      caption="The newest first"
      columns={columns}
      rows={messages}
      keyOf={({ position }) => position}
    />
  )
}
