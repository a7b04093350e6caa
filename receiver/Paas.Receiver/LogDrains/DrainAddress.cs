using Paas.Receiver.Projects;

namespace Paas.Receiver.LogDrains;

/// <summary>Where a drain leads: <c>syslog://HOST:PORT</c>, <c>syslog+tls://HOST:PORT</c>, <c>http://…</c> or <c>https://…</c>. What it says of users and queries is secret.</summary>
sealed record DrainAddress
{
    const int Longest = 2000;
    const int SyslogPort = 514;
    const int SyslogTlsPort = 6514;

    DrainAddress(Uri url) => Url = url;

    public Uri Url { get; }

    public bool IsSyslog => Url.Scheme.StartsWith("syslog", StringComparison.Ordinal);

    public bool IsTls => Url.Scheme is "syslog+tls" or "https";

    public int Port => Url.Port > 0 ? Url.Port : IsTls ? SyslogTlsPort : SyslogPort;

    /// <exception cref="Refusal">It is no such address.</exception>
    public static DrainAddress Parse(string? text) =>
        text is { Length: <= Longest } && Uri.TryCreate(text, UriKind.Absolute, out var url) && url.Host.Length > 0
        && (url.Scheme is "http" or "https" || (url.Scheme is "syslog" or "syslog+tls" && url.UserInfo.Length == 0 && url.PathAndQuery is "/" or ""))
            ? new DrainAddress(url)
            : throw new Refusal("A drain leads to syslog://HOST:PORT, syslog+tls://HOST:PORT, http://… or https://….");

    /// <summary>For people: tokens in it are stars.</summary>
    public override string ToString() =>
        $"{Url.Scheme}://{(Url.UserInfo.Length > 0 ? Pillar.Stars + "@" : "")}{Url.Host}{(Url.IsDefaultPort && !IsSyslog ? "" : $":{Port}")}{(IsSyslog ? "" : Url.AbsolutePath)}{(Url.Query.Length > 0 ? "?" + Pillar.Stars : "")}";
}
