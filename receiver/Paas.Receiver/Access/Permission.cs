using Paas.Receiver.Projects;

namespace Paas.Receiver.Access;

/// <summary>
/// What may be allowed: the 26 permissions of reference 2.12, everywhere or in one environment. The doors' own short words for the ones they ask
/// about most are the last five.
/// </summary>
enum Permission
{
    UserList,
    UserEdit,
    RoleList,
    RoleEdit,
    RoleAssign,
    WorkspaceList,
    WorkspaceView,
    WorkspaceEdit,
    WorkspaceDelete,
    ApplicationCreate,
    ApplicationDeploy,
    ApplicationDelete,
    ApplicationRouting,
    ApplicationViewManifest,
    ServiceView,
    ServiceCredentialView,
    ServiceExport,
    ServiceImport,
    ServiceTunnel,
    NodeList,
    NodeDetailView,
    JobAbort,
    FileUpload,
    HealthCheck,
    SystemAdministration,
    SystemOverview,

    /// <summary>Status, releases, deployments and logs of a project, and fetching its code. Without it the project looks missing.</summary>
    View = WorkspaceView,

    /// <summary>Push, redeploy, roll back, cancel. What changes the live release asks for <see cref="ApplicationRouting"/> as well.</summary>
    Deploy = ApplicationDeploy,

    /// <summary>Read the configuration (masked where it is shown) and fetch or push the pillar.</summary>
    Configure = ServiceCredentialView,

    /// <summary>A first push makes the project.</summary>
    CreateProject = ApplicationCreate,

    /// <summary>Everything that concerns the receiver as a whole.</summary>
    Administer = SystemAdministration,
}

/// <summary>Some of the permissions. Immutable.</summary>
readonly record struct PermissionSet
{
    // In the order of the enumeration. Its own names are ambiguous: some values have two.
    static readonly string[] Names =
    [
        "USER_LIST", "USER_EDIT", "ROLE_LIST", "ROLE_EDIT", "ROLE_ASSIGN", "WORKSPACE_LIST", "WORKSPACE_VIEW", "WORKSPACE_EDIT", "WORKSPACE_DELETE",
        "APPLICATION_CREATE", "APPLICATION_DEPLOY", "APPLICATION_DELETE", "APPLICATION_ROUTING", "APPLICATION_VIEW_MANIFEST", "SERVICE_VIEW",
        "SERVICE_CREDENTIAL_VIEW", "SERVICE_EXPORT", "SERVICE_IMPORT", "SERVICE_TUNNEL", "NODE_LIST", "NODE_DETAIL_VIEW", "JOB_ABORT", "FILE_UPLOAD",
        "HEALTH_CHECK", "SYSTEM_ADMINISTRATION", "SYSTEM_OVERVIEW",
    ];

    readonly uint bits;

    PermissionSet(uint bits) => this.bits = bits;

    public static PermissionSet None => default;

    public static PermissionSet All { get; } = new((1U << Names.Length) - 1);

    public static PermissionSet Of(params ReadOnlySpan<Permission> permissions)
    {
        var set = 0U;
        foreach (var permission in permissions)
        {
            set |= 1U << (int)permission;
        }

        return new PermissionSet(set);
    }

    public bool Has(Permission permission) => (bits >> (int)permission & 1) == 1;

    /// <summary>Everything that the other one has.</summary>
    public bool Covers(PermissionSet other) => (other.bits & ~bits) == 0;

    public static PermissionSet operator |(PermissionSet one, PermissionSet other) => new(one.bits | other.bits);

    public static PermissionSet operator &(PermissionSet one, PermissionSet other) => new(one.bits & other.bits);

    /// <summary>As reference 2.12 writes it.</summary>
    public static string NameOf(Permission permission) => Names[(int)permission];

    /// <summary>The names of those in it, in their order.</summary>
    public IReadOnlyList<string> List()
    {
        var set = this;
        return [.. Names.Where((_, index) => set.Has((Permission)index))];
    }

    /// <summary>Names as reference 2.12 writes them; <c>*</c> is all of them.</summary>
    /// <exception cref="Refusal">At least one is none.</exception>
    public static PermissionSet Parse(IEnumerable<string> names)
    {
        var (set, unknown) = (None, new List<string>());
        foreach (var name in names.Select(name => name.Trim()).Where(name => name.Length > 0))
        {
            var index = Array.IndexOf(Names, name.ToUpperInvariant());
            set |= name == "*" ? All : index < 0 ? None : new PermissionSet(1U << index);
            if (index < 0 && name != "*")
            {
                unknown.Add(name);
            }
        }

        return unknown.Count == 0 ? set : throw new Refusal($"'{string.Join("', '", unknown)}': no such permission. There are {string.Join(", ", Names)}.");
    }

    public override string ToString() => this == All ? "*" : string.Join(',', List());
}

/// <summary>What somebody may do everywhere, and what in single environments only. Immutable.</summary>
sealed record Rights(PermissionSet Everywhere, IReadOnlyDictionary<string, PermissionSet> Environments)
{
    static readonly Dictionary<string, PermissionSet> Nowhere = [];

    public static readonly Rights None = Of(PermissionSet.None);

    public static readonly Rights All = Of(PermissionSet.All);

    /// <summary>Of a token that names neither a user nor a project: what the role <c>developer</c> is at first.</summary>
    public static readonly Rights Developer = Of(PermissionSet.Of(
        Permission.WorkspaceList, Permission.WorkspaceView, Permission.ApplicationCreate, Permission.ApplicationDeploy, Permission.ApplicationDelete,
        Permission.ApplicationRouting, Permission.ApplicationViewManifest, Permission.ServiceView, Permission.ServiceCredentialView, Permission.ServiceExport,
        Permission.ServiceImport, Permission.ServiceTunnel, Permission.NodeList, Permission.JobAbort, Permission.FileUpload, Permission.HealthCheck));

    /// <summary>Of a credential that belongs to one project: all that concerns it but making and removing it.</summary>
    public static readonly Rights OneProject = Of(PermissionSet.Of(
        Permission.WorkspaceView, Permission.ApplicationDeploy, Permission.ApplicationRouting, Permission.ApplicationViewManifest, Permission.ServiceView,
        Permission.ServiceCredentialView, Permission.JobAbort, Permission.FileUpload));

    /// <summary>Of a deploy key that may only fetch.</summary>
    public static readonly Rights OneProjectToRead = Of(PermissionSet.Of(Permission.WorkspaceView, Permission.ApplicationViewManifest));

    public static Rights Of(PermissionSet everywhere) => new(everywhere, Nowhere);

    /// <summary>Without an environment only what is allowed everywhere counts.</summary>
    public bool Has(Permission permission, string? environment) =>
        Everywhere.Has(permission) || (environment is not null && Environments.TryGetValue(environment, out var here) && here.Has(permission));

    /// <summary>All that the other one allows: who covers somebody gains nothing by becoming them.</summary>
    public bool Cover(Rights other) =>
        Everywhere.Covers(other.Everywhere)
        && other.Environments.All(pair => (Everywhere | Environments.GetValueOrDefault(pair.Key)).Covers(pair.Value));
}
