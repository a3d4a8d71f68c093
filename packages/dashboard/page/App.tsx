import { createContext, type FunctionComponent } from 'preact'
import { useContext, useEffect, useRef } from 'preact/hooks'
import { api, type Me } from './api.ts'
import { useAsked } from './asked.ts'
import { LiveContext, useLive, useLiveFeed } from './live.ts'
import { BlockedKeys } from './pages/BlockedKeys.tsx'
import { Consumers } from './pages/Consumers.tsx'
import { DeadLetters } from './pages/DeadLetters.tsx'
import { Doctor } from './pages/Doctor.tsx'
import { Messages } from './pages/Messages.tsx'
import { Overview } from './pages/Overview.tsx'
import { Replay } from './pages/Replay.tsx'
import { Storage } from './pages/Storage.tsx'
import { Failure } from './parts/Failure.tsx'
import { linkTo, type Route, useRoute } from './route.ts'
import { count } from './words.ts'

const pages: readonly { page: string; title: string; shows: FunctionComponent<{ route: Route }> }[] = [
  { page: 'overview', title: 'Overview', shows: Overview },
  { page: 'messages', title: 'Messages', shows: Messages },
  { page: 'dead-letters', title: 'Dead letters', shows: DeadLetters },
  { page: 'blocked-keys', title: 'Blocked keys', shows: BlockedKeys },
  { page: 'consumers', title: 'Consumers', shows: Consumers },
  { page: 'storage', title: 'Relays and storage', shows: Storage },
  { page: 'replay', title: 'Replay', shows: Replay },
  { page: 'doctor', title: 'Doctor', shows: Doctor },
]

const nobody: Me = { name: '', mayAct: false, maySeePayloads: false, schema: '', brokers: false }
const MeContext = createContext<Me>(nobody)
export const useMe = (): Me => useContext(MeContext)

export function App() {
  const live = useLiveFeed()
  const me = useAsked(api.me, [])
  const route = useRoute()
  const shown = pages.find(({ page }) => page === route.page)
  const main = useRef<HTMLElement>(null)
  const Shown = shown?.shows

  useEffect(() => {
    document.title = `${shown?.title ?? 'Not found'} · oncebox`
    main.current?.scrollTo(0, 0)
  }, [shown])

  return (
    <MeContext.Provider value={me.value ?? nobody}>
      <LiveContext.Provider value={live}>
        <button type="button" class="skip" onClick={() => main.current?.focus()}>
          Skip to the content
        </button>
        <Navigation current={route.page} />
        <main id="content" ref={main} tabIndex={-1}>
          {live.trouble !== null && (
            <p class="banner" role="alert">
              {live.trouble}. What is shown may be old.
            </p>
          )}
          {me.failure !== null && <Failure failure={me.failure} />}
          {Shown === undefined ? (
            <>
              <h1>There is no such page</h1>
              <p>
                <a href={linkTo('overview')}>To the overview</a>
              </p>
            </>
          ) : (
            <Shown route={route} />
          )}
        </main>
      </LiveContext.Provider>
    </MeContext.Provider>
  )
}

function Navigation({ current }: { current: string }) {
  const list = useRef<HTMLUListElement>(null)
  // On a narrow screen the pages scroll sideways: the one that is shown is in sight.
  useEffect(() => {
    const link = list.current?.querySelector<HTMLElement>('[aria-current]')
    if (link != null) list.current?.scrollTo({ left: link.offsetLeft - 24 })
  }, [current])
  const { overview } = useLive()
  const { name, schema, mayAct } = useMe()
  const problems = overview?.problems.length ?? 0
  const letters = overview?.consumers.reduce((sum, group) => sum + group.deadLetters, 0) ?? 0
  const parked = overview?.lanes.reduce((sum, lane) => sum + lane.parked, 0) ?? 0
  const marks: Record<string, number> = { overview: problems, 'dead-letters': letters, 'blocked-keys': parked }
  return (
    <header class="side">
      <a class="brand" href={linkTo('overview')}>
        <img src="./icon.svg" alt="" width="26" height="26" />
        oncebox
      </a>
      <nav aria-label="Pages">
        <ul ref={list}>
          {pages.map(({ page, title }) => (
            <li key={page}>
              <a href={linkTo(page)} aria-current={page === current ? 'page' : undefined}>
                {title}
                {(marks[page] ?? 0) > 0 && <span class="mark">{count(marks[page] ?? 0)}</span>}
              </a>
            </li>
          ))}
        </ul>
      </nav>
      {name !== '' && (
        <p class="who">
          <span>
            {name} · schema {schema}
          </span>{' '}
          <span>{mayAct ? 'may act' : 'read-only'}</span>
        </p>
      )}
    </header>
  )
}
