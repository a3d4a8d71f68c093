export { drizzleDatabase, fromDrizzle } from '@oncebox/core/drizzle'
