import type { NodeProcess } from '@oncebox/testkit'
import type { Order } from './messages.ts'

export type Click = Pick<Order, 'user' | 'event'>

export interface Answer {
  readonly status: number
  /** The id that the shop gave to the request. */
  readonly request: string
  readonly order?: string
}

const users = 500
const events = ['opening night', 'closing night']
const clicksEach = 5
const atOnce = 40

/** Everybody wants a place at either night, and clicks five times, for nothing seems to happen. */
export function allClicks(): Click[] {
  return Array.from({ length: users * clicksEach }, (_, index) =>
    events.map((event) => ({ user: 1 + (index % users), event })),
  )
    .flat()
    .map((click) => ({ click, place: Math.random() }))
    .sort((a, b) => a.place - b.place)
    .map(({ click }) => click)
}

/** The addresses of the shops that are open now. */
export function addresses(shops: readonly NodeProcess[]): string[] {
  return shops.flatMap(({ lines }) => {
    const port = lines.find((line) => line.startsWith('port '))?.slice('port '.length)
    return port === undefined || !lines.includes('open') ? [] : [`http://127.0.0.1:${port}/`]
  })
}

/** Asks one of the shops; one that gives no answer, because it is being killed, is one too few: another one is asked. */
async function ask(shops: readonly NodeProcess[], click: Click): Promise<Answer> {
  for (;;) {
    const open = addresses(shops)
    const address = open[Math.floor(Math.random() * open.length)]
    try {
      if (address === undefined) throw new TypeError('no shop is open')
      const response = await fetch(`${address}orders`, { method: 'POST', body: JSON.stringify(click) })
      return { status: response.status, ...((await response.json()) as Omit<Answer, 'status'>) }
    } catch (error) {
      // What fetch says of a connection that is refused or lost.
      if (!(error instanceof TypeError)) throw error
      // The shop is being replaced: a visitor asks again after a moment.
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
}

/** Clicks, forty at a time, until all have an answer. `before` is told the number of each click, and may do harm. */
export async function burst(
  shops: readonly NodeProcess[],
  clicks: readonly Click[],
  before: (number: number) => Promise<unknown> | undefined = () => undefined,
): Promise<Answer[]> {
  const answers: Answer[] = []
  const harm: Promise<unknown>[] = []
  let next = 0
  const visit = async (): Promise<void> => {
    while (next < clicks.length) {
      const number = next++
      const done = before(number)
      if (done !== undefined) harm.push(done)
      answers.push(await ask(shops, clicks[number] as Click))
    }
  }
  await Promise.all(Array.from({ length: atOnce }, visit))
  await Promise.all(harm)
  return answers
}
