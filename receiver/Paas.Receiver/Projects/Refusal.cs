namespace Paas.Receiver.Projects;

/// <summary>"We will not, because …": addressed to the person who asked. It has no stack worth showing and nothing of ours is broken.</summary>
sealed class Refusal(string message) : Exception(message);
