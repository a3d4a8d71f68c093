// The notifier behind `oncebox/webhook`.
export type { NoticeProblem, Occurrence } from './notice.js'
export type { Notice } from './noticeBook.js'
export type { WebhookOptions } from './settings.js'
export { type WebhookNotifier, webhookNotifier } from './webhookNotifier.js'
