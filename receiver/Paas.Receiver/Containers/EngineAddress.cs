using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace Paas.Receiver.Containers;

/// <summary>Where the Docker engine listens, in the words of <c>DOCKER_HOST</c>: <c>unix:///path</c>, or <c>tcp://127.0.0.1:port</c>.</summary>
/// <param name="Socket">The path of a unix socket; null for TCP.</param>
/// <param name="Port">On loopback; 0 for a socket.</param>
/// <remarks>An engine elsewhere is refused: the ports of its containers would be on its own loopback, where no visitor could be brought to.</remarks>
sealed record EngineAddress(string? Socket, int Port)
{
    public static readonly EngineAddress Usual = new("/var/run/docker.sock", 0);

    public const string Rule = "not unix:///PATH or tcp://127.0.0.1:PORT; the engine must be on this machine";

    public static bool TryParse(string text, [NotNullWhen(true)] out EngineAddress? address)
    {
        address = null;
        if (text.StartsWith("unix://", StringComparison.Ordinal) && text["unix://".Length..] is ['/', ..] path && !path.Contains('\0', StringComparison.Ordinal))
        {
            address = new EngineAddress(path, 0);
        }
        else if (text.Split(':') is ["tcp", "//127.0.0.1" or "//localhost", var digits]
            && int.TryParse(digits.TrimEnd('/'), NumberStyles.None, CultureInfo.InvariantCulture, out var port) && port is > 0 and < 65536)
        {
            address = new EngineAddress(null, port);
        }

        return address is not null;
    }

    /// <summary>True when there is something to ask at all; a socket's file goes with an engine that is removed.</summary>
    public bool Exists => Socket is null || File.Exists(Socket);

    public override string ToString() => Socket is null ? $"tcp://127.0.0.1:{Port}" : $"unix://{Socket}";
}
