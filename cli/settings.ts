import { configVariables } from '../services/kernel/config.ts'

/** A variable of the service's configuration as it holds on this machine in development: what is set, else the default. */
export const developmentSetting = (environment: Readonly<Record<string, string | undefined>>, name: string): string => {
  const given = environment[name]
  return given === undefined || given === ''
    ? (configVariables.find((variable) => variable.name === name)?.default.development ?? '')
    : given
}
