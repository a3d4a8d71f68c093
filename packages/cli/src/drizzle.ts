// Drizzle: its transactions for producers and guards, its instances for consumers.
export { drizzleDatabase, fromDrizzle } from '@oncebox/core/drizzle'
