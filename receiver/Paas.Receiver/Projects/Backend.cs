namespace Paas.Receiver.Projects;

/// <summary>Where one instance listens. Two with the same host and port are the same backend.</summary>
sealed record Backend(string Host, int Port);
