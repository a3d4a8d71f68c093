/** Business tables as the pages of `docs/patterns/` have them. */
export const guardTables = `
  CREATE TABLE payment (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    serial text NOT NULL CONSTRAINT payment_serial UNIQUE, account text NOT NULL, cents bigint NOT NULL
  );
  CREATE TABLE coupon (
    code text PRIMARY KEY, state text NOT NULL, valid_until timestamptz NOT NULL, redeemed_by text, redeemed_at timestamptz
  );
  CREATE TABLE account (id text PRIMARY KEY, money bigint NOT NULL CHECK (money >= 0), version integer NOT NULL DEFAULT 1);
  CREATE TABLE views (act_code text, user_id bigint, views bigint NOT NULL, PRIMARY KEY (act_code, user_id));
`

export interface GuardRun {
  /** Statements before a run, not timed; $1 is the number of messages, which are numbered from 0. */
  readonly prepare: readonly string[]
  /** What has as many rows as there were messages, when every one of them did what it should. */
  readonly changed: string
}

const numbers = 'generate_series(0, $1::int - 1) AS n'
const payments = `INSERT INTO payment (serial, account, cents) SELECT 'P-' || n, 'A', 100 FROM ${numbers}`
const coupons = (state: string) =>
  `INSERT INTO coupon SELECT 'C-' || n, '${state}', 'infinity', NULL, NULL FROM ${numbers}`
const accounts = (version: number) => `INSERT INTO account SELECT 'A-' || n, 1000, ${version} FROM ${numbers}`
const views = `INSERT INTO views SELECT 'sale', n, 1 FROM ${numbers}`
const keys = `INSERT INTO oncebox.business_key (scope, key, result, expires_at)
  SELECT 'payment', 'P-' || n, '{"status": "paid"}', 'infinity' FROM ${numbers}`

/**
 * What is measured, the base first. `…Again` is the same call for what has been done already; `plainUpdate` is an UPDATE
 * of one row by its key, without a guard.
 */
export const guardArms = {
  inboxId: { prepare: [], changed: 'payment' },
  plainUpdate: { prepare: [accounts(1)], changed: 'account WHERE money = 999' },
  businessKey: { prepare: [], changed: 'payment JOIN oncebox.business_key ON key = serial' },
  businessKeyAgain: { prepare: [payments, keys], changed: 'payment' },
  transition: { prepare: [coupons('unused')], changed: `coupon WHERE state = 'redeemed' AND redeemed_at IS NOT NULL` },
  transitionAgain: { prepare: [coupons('redeemed')], changed: 'coupon WHERE redeemed_at IS NULL' },
  versioned: { prepare: [accounts(1)], changed: 'account WHERE money = 999 AND version = 2' },
  versionedAgain: { prepare: [accounts(2)], changed: 'account WHERE money = 1000 AND version = 2' },
  upsert: { prepare: [], changed: 'views WHERE views = 1' },
  upsertAgain: { prepare: [views], changed: 'views WHERE views = 2' },
} as const satisfies Record<string, GuardRun>

export type GuardArm = keyof typeof guardArms
