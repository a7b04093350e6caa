// Environment is one of the ten words of docs/words.md and also a framework name; the alias settles it once for the whole house.
// The framework's own is written out in the one or two places that need it.
global using Environment = Paas.Receiver.Projects.Environment;
global using EnvironmentName = Paas.Receiver.Projects.EnvironmentName;

[assembly: System.Runtime.Versioning.SupportedOSPlatform("linux")]
