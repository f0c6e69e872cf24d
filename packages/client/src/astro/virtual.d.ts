declare module 'virtual:gatehouse' {
  export const settings: { protect: string[]; loginPage: string; base: string; isSecure: boolean }
}

declare module 'astro:env/server' {
  export function getSecret(name: string): string | undefined
}
