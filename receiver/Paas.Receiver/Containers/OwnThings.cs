using System.Security.Cryptography;
using System.Text;

namespace Paas.Receiver.Containers;

/// <summary>How this receiver marks what it makes in an engine that others use too: whatever does not carry its mark is not its own and is never touched.</summary>
/// <param name="Root"><c>PAAS_ROOT</c>: two receivers on one machine have two.</param>
sealed record OwnThings(string Root)
{
    public const string ProjectLabel = "paas.project";
    public const string ReleaseLabel = "paas.release";
    public const string TypeLabel = "paas.type";
    public const string NumberLabel = "paas.number";
    public const string InstanceLabel = "paas.instance";

    /// <summary>The bridge that its containers are on.</summary>
    public string Network { get; } = "paas-" + Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(Root)))[..8];

    /// <summary>The repository whose tags hold images for a project that did not build them here: nobody else forms such a name.</summary>
    public string PinsOf(string project) => $"{Network}/{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(project)))[..16]}";

    public IReadOnlyDictionary<string, string> Labels(params IEnumerable<(string Name, string Value)> more) =>
        more.Prepend(("paas.root", Root)).ToDictionary(label => label.Item1, label => label.Item2);
}
