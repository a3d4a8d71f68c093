/** The version of the newest migration this code ships; a test holds it equal to the files. */
export const currentVersion = 15
