export * from '@gatehouse/verify'
