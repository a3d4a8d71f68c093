import type { LaneStatus, Pause } from '@oncebox/ops'
import type { ComponentChildren } from 'preact'
import { useRef, useState } from 'preact/hooks'
import { useMe } from '../App.tsx'
import { api, type Target } from '../api.ts'
import { useAsked } from '../asked.ts'
import { count, plural, since } from '../words.ts'
import { Confirm } from './Confirm.tsx'

const nameOf = (target: Target): string => ('lane' in target ? `lane ${target.lane}` : `topic ${target.topic}`)

/** Pauses a lane, or lets it go on; nothing for those who may only look. */
export function LaneSwitch({
  lane: { lane, waiting, waitingExact },
  pause,
}: {
  lane: LaneStatus
  pause: Pause | undefined
}) {
  const words = `${waitingExact ? '' : 'About '}${plural(waiting, 'message')} ${waiting === 1 ? 'waits' : 'wait'} in it now.`
  return pause === undefined ? (
    <Switch action="pause" target={{ lane }}>
      <p>{words} The relay keeps it and publishes nothing of it until it is resumed; behind it the outbox grows.</p>
    </Switch>
  ) : (
    <Switch action="resume" target={{ lane }}>
      <p>{words} They are published first, in order.</p>
    </Switch>
  )
}

/** What is paused, with a way on; and a topic to pause. */
export function PausedTopics({ paused, topics }: { paused: readonly Pause[]; topics: readonly string[] }) {
  const { mayAct } = useMe()
  const of = paused.filter(({ topic }) => topic !== null)
  return (
    <section aria-labelledby="topics">
      <h2 id="topics">Paused topics</h2>
      {of.length === 0 ? (
        <p class="soft">
          None. The messages of a paused topic are moved aside, in order, while everything else flows on.
        </p>
      ) : (
        <ul class="problems wanted">
          {of.map((pause) => (
            <li key={pause.topic}>
              <strong>{pause.topic}</strong>
              <p>{describe(pause)}</p>
              <p class="buttons-left">
                <Switch action="resume" target={{ topic: pause.topic ?? '' }}>
                  <p>What was moved aside is published first, in order.</p>
                </Switch>
              </p>
            </li>
          ))}
        </ul>
      )}
      {mayAct && <TopicToPause topics={topics.filter((topic) => of.every((pause) => pause.topic !== topic))} />}
    </section>
  )
}

/** Since when, by whom and why. */
export function describe({ seconds, by, why }: Pause): string {
  return `Paused ${since(seconds)} by ${by}${why === null ? '' : `: ${why}`}`
}

function TopicToPause({ topics }: { topics: readonly string[] }) {
  const [asking, setAsking] = useState('')
  const form = useRef<HTMLFormElement>(null)
  const open = (event: SubmitEvent) => {
    event.preventDefault()
    setAsking(String(new FormData(event.currentTarget as HTMLFormElement).get('topic') ?? '').trim())
  }
  const pause = async (why: string) => {
    await api.pause({ topic: asking }, why)
    form.current?.reset()
  }
  return (
    <form class="search" ref={form} onSubmit={open}>
      <label>
        Topic
        <input name="topic" required autocomplete="off" spellcheck={false} list="known-topics" />
      </label>
      <datalist id="known-topics">
        {topics.map((topic) => (
          <option key={topic} value={topic} />
        ))}
      </datalist>
      <button type="submit">Pause this topic</button>
      {asking !== '' && (
        <Confirm
          title={`Pause topic ${asking}?`}
          verb={`Pause topic ${asking}`}
          reason="optional"
          onConfirm={pause}
          onClose={() => setAsking('')}
        >
          <Written topic={asking} />
          <p>What has been sent is sent. What comes is moved aside, in order, until the topic is resumed.</p>
        </Confirm>
      )}
    </form>
  )
}

/** How much a pause keeps back; and whether the name is that of a topic at all. */
function Written({ topic }: { topic: string }) {
  const { value } = useAsked(() => api.planReplay({ topic, from: Date.now() - 3_600_000 }), [topic])
  if (value === null) return <p>Counting…</p>
  if (value.estimate === 0) return <p>No message was written to it in the last hour: is that its name?</p>
  return (
    <p>
      {value.exact ? '' : 'About '}
      {count(value.estimate)} {value.estimate === 1 ? 'message was' : 'messages were'} written to it in the last hour.
    </p>
  )
}

interface SwitchProps {
  readonly action: 'pause' | 'resume'
  readonly target: Target
  /** What it concerns, and how much of it there is. */
  readonly children: ComponentChildren
}

function Switch({ action, target, children }: SwitchProps) {
  const { mayAct } = useMe()
  const [asking, setAsking] = useState(false)
  if (!mayAct) return null
  const word = action === 'pause' ? 'Pause' : 'Resume'
  const what = `${word} ${nameOf(target)}`
  return (
    <>
      <button type="button" onClick={() => setAsking(true)} aria-label={what}>
        {word}
      </button>
      {asking && (
        <Confirm
          title={`${what}?`}
          verb={what}
          reason="optional"
          onConfirm={(why) => api[action](target, why)}
          onClose={() => setAsking(false)}
        >
          {children}
        </Confirm>
      )}
    </>
  )
}
