-- The oldest release that can serve this schema. An instance of an older release refuses to start. A migration
-- that takes something away from older releases raises it (CONTRIBUTING.md).
create table schema_compatibility (
  id boolean primary key default true check (id),
  least_release text not null check (least_release ~ '^\d+\.\d+\.\d+$')
);

insert into schema_compatibility (least_release) values ('0.1.0');
