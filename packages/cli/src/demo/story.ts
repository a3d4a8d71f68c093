import type { Annotation } from '@oncebox/dashboard'
import { isSound } from './account.js'
import type { Screen } from './screen.js'

const number = (value: number) => value.toLocaleString('en-US')

/** A screen that shows everything on another one, and keeps the faults, how far things are and the account for the dashboard. */
export function createStory(screen: Screen): {
  readonly screen: Screen
  /** The newest last. */
  annotations(): readonly Annotation[]
} {
  const happened: Annotation[] = []
  let now: Annotation | undefined
  const keep = (text: string) => happened.push({ atMs: Date.now(), text })
  return {
    annotations: () => (now === undefined ? happened : [...happened, now]),
    screen: {
      tell: (text) => screen.tell(text),
      fault(text) {
        screen.fault(text)
        keep(text.replace(/^ *[\d.]+ s +/, ''))
      },
      progress(progress) {
        screen.progress(progress)
        const { committed, rolledBack, published, lostAcks, delivered, booked } = progress
        const text =
          `${number(committed)} committed and ${number(rolledBack)} rolled back, ${number(published)} published with ` +
          `${number(lostAcks)} acks lost, ${number(delivered)} delivered, ${number(booked)} booked`
        now = { atMs: Date.now(), text }
      },
      account(account) {
        screen.account(account)
        now = undefined
        keep(
          `${isSound(account) ? 'The account balances' : 'The account does not balance'}: ` +
            `${number(account.duplicatesReceived)} deliveries came again, ${number(account.duplicatesApplied)} were applied ` +
            `twice, ${number(account.lost)} lost, ${number(account.orderViolations)} out of order`,
        )
      },
    },
  }
}
