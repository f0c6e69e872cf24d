declare module 'virtual:gatehouse' {
  export const settings: {
    protect: string[]
    loginPage: string
    base: string
    isSecure: boolean
    hosted?: { clientId: string; loginPath: string; callbackPath: string; origin?: string }
  }
}

declare module 'astro:env/server' {
  export function getSecret(name: string): string | undefined
}
