/** A page of this site: the base of the configuration, then the path. */
export const to = (path: string) => import.meta.env.BASE_URL.replace(/\/+$/, '') + path
