using Paas.Receiver.Projects;

namespace Paas.Receiver.Hosts;

/// <summary>Another receiver that environments can be made on (R2.2, R13.4). Immutable.</summary>
/// <param name="Name">What it is called here, by the rule of <see cref="EnvironmentName"/>.</param>
/// <param name="Url">Its control plane, with a slash at the end.</param>
/// <param name="Token">What lets us in there. Never shown.</param>
sealed record LinkedHost(string Name, Uri Url, string Token, DateTimeOffset LinkedAt, string LinkedBy)
{
    const int LongestToken = 500;

    /// <summary>What it is called together with an environment of its own, here: <c>ENV@HOST</c>.</summary>
    public string NameOf(string environment) => $"{environment}@{Name}";

    /// <summary>Reads what somebody wrote, reporting every mistake at once.</summary>
    /// <exception cref="Refusal">At least one mistake.</exception>
    public static LinkedHost Parse(string name, string? url, string? token, DateTimeOffset at, string by)
    {
        var mistakes = new List<string>();
        if (!EnvironmentName.TryParse(name, out _))
        {
            mistakes.Add($"'{name}' is not a host's name: {ProjectName.Rule}.");
        }

        var place = PlaceOf(url);
        if (place is null)
        {
            mistakes.Add($"'{url}' is not a receiver's URL: https://HOST[:PORT], or http:// on this machine, without user, query or fragment.");
        }

        if (token is not { Length: > 0 and <= LongestToken } || !token.All(c => c is > ' ' and < '\x7F'))
        {
            mistakes.Add("A token of the other receiver is wanted, as its `corpus tokens add` prints it.");
        }

        return mistakes.Count == 0 ? new LinkedHost(name, place!, token!, at, by) : throw new Refusal(string.Join('\n', mistakes));
    }

    // The token must not cross a network in plain text.
    static Uri? PlaceOf(string? text) =>
        Uri.TryCreate(text?.TrimEnd('/') + "/", UriKind.Absolute, out var uri) && uri.Host.Length > 0 && uri.UserInfo.Length == 0 && uri.Query.Length == 0 && uri.Fragment.Length == 0
        && (uri.Scheme == Uri.UriSchemeHttps || (uri.Scheme == Uri.UriSchemeHttp && uri.IsLoopback)) ? uri : null;
}
