namespace Paas.Receiver.Manifests;

/// <summary>The plug-ins that a <c>manifest.yml</c> can name (reference 2.2); others are refused with a list of these (PM-08, PM-09). Prepare commands are folders: <see cref="PrepareShelf"/>.</summary>
static class Plugins
{
    public const string ShellRuntime = "paasmaker.runtime.shell";
    public const string NodeRuntime = "paasmaker.runtime.node.nvm";
    public const string RubyRuntime = "paasmaker.runtime.ruby.rbenv";
    public const string PythonRuntime = "paasmaker.runtime.python";
    public const string PhpRuntime = "paasmaker.runtime.php";
    public const string StaticRuntime = "paasmaker.runtime.static";
    public const string ShellStartup = "paasmaker.startup.shell";
    public const string LinkerStartup = "paasmaker.startup.filesystemlinker";
    public const string ParametersService = "paasmaker.service.parameters";
    public const string FilesystemService = "paasmaker.service.filesystem";

    public static readonly string[] Runtimes = [ShellRuntime, NodeRuntime, RubyRuntime, PythonRuntime, PhpRuntime, StaticRuntime];
    public static readonly string[] Startups = [ShellStartup, LinkerStartup];
    public static readonly string[] Services = [ParametersService, FilesystemService];

    /// <summary>The language whose versions a runtime's <c>version</c> is about; null for one that has none of its own.</summary>
    public static string? LanguageOf(string runtime) => runtime switch
    {
        NodeRuntime => "node",
        RubyRuntime => "ruby",
        PythonRuntime => "python",
        PhpRuntime => "php",
        _ => null,
    };
}
