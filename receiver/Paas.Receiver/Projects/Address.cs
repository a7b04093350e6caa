using System.Net;

namespace Paas.Receiver.Projects;

/// <summary>A name visitors use for a project beside those the receiver gives it, and who may use it.</summary>
sealed record Address
{
    /// <summary>Lower case; <c>name.example.org</c>, <c>*.example.org</c> or <c>*</c>. Null stands for every name the project has.</summary>
    public string? Host { get; init; }

    /// <summary>Empty, or <c>/a/b</c>: whole segments, passed on to the application.</summary>
    public string Path { get; init; } = "";

    /// <summary>The process type visitors meet.</summary>
    public string Type { get; init; } = "web";

    /// <summary>Networks visitors must come from; empty is everywhere.</summary>
    public IReadOnlyList<IPNetwork> Allow { get; init; } = [];

    /// <summary>Who may pass with a password: in a manifest the name of the variable that holds it, at the receiver's desk its hash. Empty asks nobody.</summary>
    public IReadOnlyDictionary<string, string> Users { get; init; } = new Dictionary<string, string>();

    /// <summary>A visitor comes back to the instance that served first.</summary>
    public bool Sticky { get; init; }

    public string Name => Host + Path;

    public static bool IsHost(string host)
    {
        var name = host.StartsWith("*.", StringComparison.Ordinal) ? host[2..] : host;
        return host == "*" || (name.Length is > 0 and <= 253 && name.Split('.').All(IsLabel) && !IPAddress.TryParse(name, out _));
    }

    // The path is compared after the server has decoded it and resolved its dot segments; a prefix must already be in that form.
    public static bool IsPath(string path) =>
        path.Length == 0
        || (path.Length <= 1000 && path[0] == '/'
            && path[1..].Split('/').All(segment => segment.Length > 0 && segment is not ("." or "..") && !segment.Any(c => c is '%' or '?' or '#' or '\\' || char.IsControl(c))));

    /// <summary>A network, or a single address.</summary>
    public static bool TryNetwork(string text, out IPNetwork network)
    {
        if (IPAddress.TryParse(text, out var address) && !text.Contains('/', StringComparison.Ordinal))
        {
            network = new IPNetwork(address, address.GetAddressBytes().Length * 8);
            return true;
        }

        return IPNetwork.TryParse(text, out network);
    }

    static bool IsLabel(string label) =>
        label.Length is > 0 and <= 63 && label[0] != '-' && label[^1] != '-'
        && label.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c is '-' or '_');
}
