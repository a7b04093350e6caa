using Mono.Cecil;
using Mono.Cecil.Rocks;
using Xunit;

namespace Paas.Receiver;

/// <summary>The floors of receiver/README.md, held against the compiled assembly: a scan of using directives would miss lambdas and async bodies.</summary>
public class ArchitectureTests
{
    const string Root = "Paas.Receiver.";

    // A room may use the rooms on the floors below it: never a neighbour, never a floor above.
    static readonly string[][] Floors =
    [
        ["Api", "Web", "GitHttp", "Ssh", "Hooks", "ServiceControl", "Registry"],
        ["Diagnostics", "ServerBackups", "Telemetry"],
        ["Deployments", "LogDrains", "Crons", "Wiring"],
        ["Buildpacks", "Archives", "ImageStore", "Runtimes", "Routing", "BackingServices", "Notifications", "Hosts"],
        ["Releases", "Toolchains"],
        ["Git", "Access", "Manifests", "Certificates"],
        ["Projects", "Logs"],
        ["Processes", "Storage", "Containers", "Tracing"],
    ];

    // The records that travel over the API belong to no floor: they know nothing and anyone above the machine may carry them.
    static readonly string[] Outside = ["Contract"];

    [Fact]
    public void Every_room_uses_only_the_floors_below_it()
    {
        using var module = Receiver();

        var broken =
            (from type in module.GetAllTypes()
             let room = RoomOf(type)
             where room is not null
             from used in TypesUsedBy(type).Select(RoomOf).Distinct()
             where used is not null && used != room && FloorOf(used) <= FloorOf(room)
             select $"{type.FullName} must not use {used}").Distinct().ToList();

        Assert.True(broken.Count == 0, string.Join('\n', broken));
    }

    [Fact]
    public void Every_room_stands_on_a_floor()
    {
        using var module = Receiver();

        var homeless = module.GetAllTypes().Select(RoomOf).OfType<string>().Distinct().Where(room => FloorOf(room) < 0).ToList();

        Assert.True(homeless.Count == 0, string.Join('\n', homeless));
    }

    static ModuleDefinition Receiver() => ModuleDefinition.ReadModule(Path.Combine(AppContext.BaseDirectory, "paas-receiver.dll"));

    static int FloorOf(string room) => Array.FindIndex(Floors, floor => floor.Contains(room));

    static string? RoomOf(TypeReference type)
    {
        while (type.DeclaringType is { } outer)
        {
            type = outer; // lambdas and async bodies belong to the type that wrote them
        }

        var room = type.Namespace.StartsWith(Root, StringComparison.Ordinal) ? type.Namespace[Root.Length..].Split('.')[0] : null;
        return Outside.Contains(room) ? null : room;
    }

    static IEnumerable<TypeReference> TypesUsedBy(TypeDefinition type)
    {
        IEnumerable<TypeReference?> direct =
        [
            type.BaseType,
            .. type.Interfaces.Select(i => i.InterfaceType),
            .. type.Fields.Select(f => f.FieldType),
            .. type.CustomAttributes.Select(a => a.AttributeType),
            .. type.Methods.SelectMany(UsedBy),
        ];
        return direct.OfType<TypeReference>().SelectMany(Unwrap);
    }

    static IEnumerable<TypeReference?> UsedBy(MethodDefinition method)
    {
        yield return method.ReturnType;
        foreach (var parameter in method.Parameters)
        {
            yield return parameter.ParameterType;
        }

        if (!method.HasBody)
        {
            yield break;
        }

        foreach (var local in method.Body.Variables)
        {
            yield return local.VariableType;
        }

        foreach (var instruction in method.Body.Instructions)
        {
            switch (instruction.Operand)
            {
                case TypeReference used:
                    yield return used;
                    break;
                case MemberReference member:
                    yield return member.DeclaringType;
                    if (member is GenericInstanceMethod generic)
                    {
                        foreach (var argument in generic.GenericArguments)
                        {
                            yield return argument;
                        }
                    }

                    break;
            }
        }
    }

    static IEnumerable<TypeReference> Unwrap(TypeReference type) => type switch
    {
        GenericInstanceType generic => generic.GenericArguments.SelectMany(Unwrap).Prepend(generic.ElementType),
        TypeSpecification wrapped => Unwrap(wrapped.ElementType),
        _ => [type],
    };
}
