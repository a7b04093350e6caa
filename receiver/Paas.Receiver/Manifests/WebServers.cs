using Paas.Receiver.Projects;

namespace Paas.Receiver.Manifests;

/// <summary>
/// Who serves what a buildpack leaves to a web server (folders of files, PHP): one of the instance's own, or one that all projects of the host share. The pillar's
/// <c>paas: web_server:</c> says so, else the tree's <c>paas</c> section, else <c>PAAS_WEB_SERVER</c>.
/// </summary>
static class WebServers
{
    public const string Rule = "neither 'own' nor 'shared'";

    /// <summary>Null for a word that is neither.</summary>
    public static bool? Shares(string text) => text switch
    {
        "shared" => true,
        "own" => false,
        _ => null,
    };

    /// <exception cref="Refusal">The pillar says something that is neither.</exception>
    public static bool IsShared(Manifest manifest, Pillar pillar, bool usual) =>
        pillar.WebServer is { } said ? Shares(said) ?? throw new Refusal($"paas.web_server: '{said}' is {Rule}") : manifest.SharesWebServer ?? usual;
}
