/** What a Postgres program gets of our environment: no PG* variable that would steer it, and none of our secrets. */
export const serverEnvironment = (): NodeJS.ProcessEnv => {
  const environment: NodeJS.ProcessEnv = { LC_ALL: 'C' }
  for (const name of ['PATH', 'TMPDIR', 'TEMP', 'TMP', 'SystemRoot']) {
    const value = process.env[name]
    if (value !== undefined) environment[name] = value
  }
  return environment
}
