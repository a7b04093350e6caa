using System.CommandLine;

namespace Paas.Corpus;

/// <summary>Which receiver, with which token, and which project there: from what was typed, the environment, the git remote and the settings file.</summary>
sealed record Target(Uri Endpoint, string? Token, string? Environment, string? Project)
{
    /// <summary>Whose password <see cref="Token"/> is; null when it is a token.</summary>
    public string? User { get; init; }

    /// <summary>The API's name for the environment; <c>-</c> is the default one.</summary>
    public string EnvironmentPath => $"api/v1/environments/{Uri.EscapeDataString(Environment ?? "-")}";

    /// <summary>The API's name for the project; <c>-</c> is the default environment.</summary>
    public string Path => $"api/v1/projects/{Uri.EscapeDataString(Environment ?? "-")}/{Uri.EscapeDataString(Project ?? throw NoProject())}";

    /// <summary>For the RFC's verbs, which name the endpoint first (A21): a nickname or a URL.</summary>
    public static Target At(string endpoint, Surroundings surroundings, string? environment = null, string? project = null)
    {
        if (surroundings.Only is { } only)
        {
            return endpoint == "-" ? new Target(only, surroundings.Variable("PAAS_TOKEN"), environment, project)
                : throw new CorpusException(Exit.Usage, "this is the receiver: write - for ENDPOINT here.");
        }

        var accounts = new Lazy<IReadOnlyList<Account>>(() => SettingsFile.Read(surroundings.Home, surroundings.Warn));
        var remotes = new Lazy<IReadOnlyList<GitRemote>>(() => GitRemote.Of(surroundings.Directory));
        var (url, secret, _) = (endpoint == "-" ? surroundings.Variable("PAAS_URL") : endpoint) is { } given ? Given(given, accounts.Value, remotes) : Found(accounts, remotes);
        return Let(url, secret, environment, project, surroundings);
    }

    /// <param name="project">What was typed: a name, <c>env/name</c>, or null.</param>
    public static Target Of(ParseResult parsed, string? project, Surroundings surroundings)
    {
        var typed = parsed.GetValue<string?>(CommandLine.EndpointOption);
        var accounts = new Lazy<IReadOnlyList<Account>>(() => SettingsFile.Read(surroundings.Home, surroundings.Warn));
        var remotes = new Lazy<IReadOnlyList<GitRemote>>(() => GitRemote.Of(surroundings.Directory));
        if (surroundings.Only is { } only)
        {
            return typed is null ? Of(parsed, project, only, surroundings.Variable("PAAS_TOKEN")) : throw new CorpusException(Exit.Usage, $"{CommandLine.EndpointOption} is not for here: this is the receiver.");
        }

        var variable = surroundings.Variable("PAAS_URL");
        var (endpoint, secret, remote) = (typed ?? variable) is { } given
            ? Given(given, accounts.Value, remotes)
            : Found(accounts, remotes);

        var parts = project?.Split('/', 2);
        var name = parts?[^1] ?? remote?.Project;
        var environment = parsed.GetValue<string?>(CommandLine.EnvironmentOption) ?? (parts is { Length: 2 } ? parts[0] : project is null ? remote?.Environment : null);
        return Let(endpoint, secret, environment, name, surroundings);
    }

    static Target Of(ParseResult parsed, string? project, Uri only, string? token)
    {
        var parts = project?.Split('/', 2);
        return new Target(only, token, parsed.GetValue<string?>(CommandLine.EnvironmentOption) ?? (parts is { Length: 2 } ? parts[0] : null), parts?[^1]);
    }

    // A token from the environment is meant for the receiver that is meant; a secret from a file is bound to that file's URL.
    static Target Let(Uri endpoint, Secret? secret, string? environment, string? project, Surroundings surroundings)
    {
        if (surroundings.Variable("PAAS_TOKEN") is { } token)
        {
            secret = new Secret(null, token);
        }

        WarnOfPlainText(endpoint, secret?.Text, surroundings);
        return new Target(endpoint, secret?.Text, environment, project) { User = secret?.IsToken == false ? secret.User : null };
    }

    static (Uri Endpoint, Secret? Secret, GitRemote? Remote) Given(string given, IReadOnlyList<Account> accounts, Lazy<IReadOnlyList<GitRemote>> remotes)
    {
        var named = accounts.FirstOrDefault(account => account.Nickname == given);
        if (named is null && !given.Contains('.', StringComparison.Ordinal) && !given.Contains(':', StringComparison.Ordinal) && given != "localhost")
        {
            var known = accounts.Count == 0 ? "there are none" : $"there are {string.Join(", ", accounts.Select(account => account.Nickname))}";
            throw new CorpusException(Exit.Usage, $"'{given}' is neither a URL nor a nickname of ~/{SettingsFile.Name} ({known}).", NextCommand.Login(null));
        }

        var endpoint = AsUri(named?.Url ?? given);
        var remote = remotes.Value.FirstOrDefault(one => one.Endpoint is null || Same(one.Endpoint, endpoint));
        var account = named ?? accounts.FirstOrDefault(one => Same(AsUri(one.Url), endpoint));
        return (endpoint, Secret.Of(account) ?? (remote?.Endpoint is null ? null : Secret.Of(remote)), remote);
    }

    static (Uri Endpoint, Secret? Secret, GitRemote? Remote) Found(Lazy<IReadOnlyList<Account>> accounts, Lazy<IReadOnlyList<GitRemote>> remotes)
    {
        var leading = remotes.Value.Where(one => one.Endpoint is not null).ToList();
        var remote = leading.FirstOrDefault(one => one.Token is not null || accounts.Value.Any(account => Same(AsUri(account.Url), one.Endpoint!)))
            ?? (accounts.Value.Count == 0 && leading.DistinctBy(one => one.Endpoint).Count() == 1 ? leading[0] : null);
        if (remote is not null)
        {
            return (remote.Endpoint!, Secret.Of(accounts.Value.FirstOrDefault(account => Same(AsUri(account.Url), remote.Endpoint!))) ?? Secret.Of(remote), remote);
        }

        return accounts.Value.Count switch
        {
            1 => (AsUri(accounts.Value[0].Url), Secret.Of(accounts.Value[0]), remotes.Value.FirstOrDefault(one => one.Endpoint is null)),
            0 => throw new CorpusException(
                Exit.Usage, $"which receiver? Set PAAS_URL and PAAS_TOKEN, write ~/{SettingsFile.Name}, or run this where a git remote leads to one.", NextCommand.Login(null)),
            _ => throw new CorpusException(
                Exit.Usage, $"which receiver? Give --endpoint with one of {string.Join(", ", accounts.Value.Select(account => account.Nickname))}."),
        };
    }

    /// <summary>A URL as people write it: without a scheme it is https, on this machine http.</summary>
    public static Uri AsUri(string text)
    {
        var isHere = text.StartsWith("localhost", StringComparison.Ordinal) || text.StartsWith("127.", StringComparison.Ordinal) || text.StartsWith("[::1]", StringComparison.Ordinal);
        var whole = (text.Contains("://", StringComparison.Ordinal) ? text : (isHere ? "http://" : "https://") + text).TrimEnd('/') + "/";
        return Uri.TryCreate(whole, UriKind.Absolute, out var uri) && uri.Scheme is "http" or "https" && uri.Host.Length > 0
            ? uri : throw new CorpusException(Exit.Usage, $"'{text}' is not a URL of a receiver.");
    }

    static bool Same(Uri one, Uri other) => one.Scheme == other.Scheme && one.Authority == other.Authority && one.AbsolutePath == other.AbsolutePath;

    static void WarnOfPlainText(Uri endpoint, string? token, Surroundings surroundings)
    {
        if (token is not null && endpoint.Scheme == "http" && !endpoint.IsLoopback)
        {
            surroundings.Warn($"the token goes to {endpoint.Authority} in plain text; use https.");
        }
    }

    static CorpusException NoProject() =>
        new(Exit.Usage, "which project? Name it, or run this where a git remote leads to it.", "corpus status");

    /// <summary>What lets somebody in: a token, or a user's password.</summary>
    sealed record Secret(string? User, string Text)
    {
        /// <summary>Without a user's name it can be nothing else.</summary>
        public bool IsToken => User is null || Text.StartsWith("paas_", StringComparison.Ordinal);

        public static Secret? Of(Account? account) => account?.Password is { Length: > 0 } text ? new Secret(account.Id, text) : null;

        public static Secret? Of(GitRemote remote) => remote.Token is { } text ? new Secret(remote.User, text) : null;
    }
}
