using System.Net;

namespace Paas.Receiver.Containers;

/// <summary>The engine refused, or does not answer.</summary>
/// <param name="status">Null when there was no answer.</param>
sealed class EngineException(HttpStatusCode? status, string message, Exception? inner = null) : IOException(message, inner)
{
    public HttpStatusCode? Status => status;

    /// <summary>No such container, image or network.</summary>
    public bool IsMissing => status == HttpStatusCode.NotFound;

    /// <summary>The port it was to be published on belongs to somebody else.</summary>
    public bool IsPortTaken => status is not null
        && (Message.Contains("port is already allocated", StringComparison.Ordinal) || Message.Contains("address already in use", StringComparison.Ordinal));
}
