/** The clinic that the demo registers. */
export const demoClinic = { clinic: 'demo', title: 'Demo dental clinic', timeZone: 'Europe/Berlin' } as const
