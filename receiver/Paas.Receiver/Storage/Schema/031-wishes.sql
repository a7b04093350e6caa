-- What a call asks for beyond what every deployment has: values that are set, steps that are left out. JSON; null where it is nothing.
ALTER TABLE deployments ADD COLUMN wishes TEXT
